//! Thumbnails of pictures: made once a file is available, handed out as it is, and gone with it.

use aws_sdk_s3::Client;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _, ImageFormat, Rgb, RgbImage};
use image_webp::{ColorType, WebPEncoder};
use nexo_local::{BucketFault, FailNth, Fault, ServiceError};
use nexo_tests::table::ulid;
use nexo_tests::{Answer, Company, Nexo};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::scan::{scanning, told};
use super::{PDF, announced, bucket_client, download, path, sha256};

const HOUR: i64 = 3600 * 1000;
const DAY: i64 = 24 * HOUR;

/// The types of pictures, and what the names of such files end in.
const TYPES: [(&str, &str); 3] = [("image/png", "png"), ("image/jpeg", "jpg"), ("image/webp", "webp")];

/// Red above blue.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |_, y| if y < height / 2 { Rgb([220, 0, 0]) } else { Rgb([0, 0, 220]) })
}

fn encoded(picture: &RgbImage, content_type: &str) -> Vec<u8> {
    let (mut bytes, (width, height)) = (Vec::new(), picture.dimensions());
    match content_type {
        "image/png" => {
            PngEncoder::new(&mut bytes).write_image(picture, width, height, ExtendedColorType::Rgb8).unwrap();
        }
        "image/jpeg" => JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(picture).unwrap(),
        _ => WebPEncoder::new(&mut bytes).encode(picture, width, height, ColorType::Rgb8).unwrap(),
    }
    bytes
}

pub(crate) fn png() -> Vec<u8> {
    encoded(&picture(64, 48), "image/png")
}

/// What is announced of a picture.
pub(crate) fn announcement(name: &str, content_type: &str, bytes: &[u8]) -> Value {
    json!({
        "name": name, "contentType": content_type, "size": bytes.len(), "sha256": sha256(bytes),
        "category": "client_document",
    })
}

/// A file of these bytes that is there, as it was announced.
async fn arrived(company: &Company<'_>, name: &str, content_type: &str, bytes: &[u8]) -> Value {
    let file = company.post("/api/uploads", &announcement(name, content_type, bytes)).await;
    assert_eq!(file.status, 201, "{file:?}");
    company.upload(&file.body, bytes).await;
    file.body
}

async fn thumbnail(company: &Company<'_>, file: &Value) -> Answer {
    company.get(&format!("{}/thumbnail", path(file))).await
}

/// The thumbnail of a file, from where its address says.
async fn fetched(company: &Company<'_>, file: &Value) -> RgbImage {
    let bytes = fetched_bytes(company, file).await;
    image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).unwrap().into_rgb8()
}

async fn fetched_bytes(company: &Company<'_>, file: &Value) -> Vec<u8> {
    let answer = thumbnail(company, file).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let got = reqwest::get(answer.body["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(got.status(), StatusCode::OK);
    assert_eq!(got.headers()["content-type"], "image/jpeg");
    assert_eq!(got.headers()["content-disposition"], "inline");
    assert_eq!(got.headers()["cache-control"], "private, max-age=300");
    got.bytes().await.unwrap().to_vec()
}

/// Where the red and the blue are: at the top and at the bottom, or at both sides.
fn is_upright(small: &RgbImage) -> bool {
    let (width, height) = small.dimensions();
    let is = |x: u32, y: u32, channel: usize| small.get_pixel(x, y).0[channel] > 180;
    is(width / 2, height / 8, 0) && is(width / 2, height - 1 - height / 8, 2)
}

fn key(company: &Company<'_>, file: &Value) -> String {
    format!("t/{}/{}", company.account(), ulid(file["id"].as_str().unwrap()))
}

/// How many versions of a file's thumbnail there are, delete markers included.
async fn versions(nexo: &Nexo, key: &str) -> (usize, usize) {
    let (client, bucket) = bucket_client(nexo, "SweepFunction").await;
    let listed = client.list_object_versions().bucket(bucket).prefix(key).send().await.unwrap();
    (listed.versions().len(), listed.delete_markers().len())
}

/// The event of a file's arrival.
fn event(nexo: &Nexo, company: &Company<'_>, file: &Value) -> Vec<u8> {
    let bucket = json!({"name": nexo.server().template().bucket.as_ref().unwrap().name});
    let key = key(company, file).replacen('t', "a", 1);
    json!({"Records": [{"s3": {"bucket": bucket, "object": {"key": key}}}]}).to_string().into_bytes()
}

fn said(nexo: &Nexo, message: &str) -> usize {
    let message = format!("\"message\":\"{message}\"");
    nexo.log().iter().filter(|line| line.contains(&message)).count()
}

#[tokio::test]
async fn every_picture_gets_a_thumbnail_and_nothing_else_does() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for (content_type, end) in TYPES {
        let bytes = encoded(&picture(640, 480), content_type);
        let file = arrived(&company, &format!("large.{end}"), content_type, &bytes).await;
        assert_eq!(file["hasThumbnail"], false);
        let small = fetched(&company, &file).await;
        assert_eq!(small.dimensions(), (320, 240), "{content_type}");
        assert!(is_upright(&small), "{content_type}");
        // It is no change of the file: whoever has read it when it became available can change it.
        let seen = company.get(&path(&file)).await.body;
        assert_eq!((&seen["version"], &seen["hasThumbnail"]), (&json!(2), &json!(true)));
        let bytes = encoded(&picture(6, 4), content_type);
        let tiny = arrived(&company, &format!("tiny.{end}"), content_type, &bytes).await;
        assert_eq!(fetched(&company, &tiny).await.dimensions(), (6, 4), "{content_type}");
    }
    let thin = arrived(&company, "thin.png", "image/png", &encoded(&picture(1, 30_000), "image/png")).await;
    assert_eq!(fetched(&company, &thin).await.dimensions(), (1, 320));
    let pdf = announced(&company, "a.pdf").await;
    company.upload(&pdf, PDF).await;
    assert_eq!(company.get(&path(&pdf)).await.body["hasThumbnail"], false);
    thumbnail(&company, &pdf).await.assert_problem(404, "not_found");
    assert_eq!(download(&company, &pdf).await.status, 200);
    let listed = company.get("/api/uploads").await.body;
    let listed =
        listed["data"].as_array().unwrap().iter().filter(|file| file["hasThumbnail"] == true).count();
    assert_eq!(listed, 7);
    // What it puts into the bucket calls it no more, and no call was refused.
    assert_eq!((said(&nexo, "thumbnail made"), said(&nexo, "file available")), (7, 8));
    assert_eq!(said(&nexo, "object of no account"), 0);
    assert_eq!(nexo.door().log().totals().refused, 0);
}

/// A camera keeps how it was held, and where, beside the pixels (Exif 3.0, section 4.6).
#[tokio::test]
async fn a_photo_is_turned_upright_and_does_not_say_where_it_was_taken() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let upright = picture(480, 640);
    for (orientation, held) in [
        (1, upright.clone()),
        (3, image::imageops::rotate180(&upright)),
        (6, image::imageops::rotate270(&upright)),
        (8, image::imageops::rotate90(&upright)),
    ] {
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x02".to_vec();
        // The orientation, a short; and a text, where programs leave a place.
        exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
        exif.extend([0x01, 0x0e, 0, 2, 0, 0, 0, 22, 0, 0, 0, 38, 0, 0, 0, 0]);
        exif.extend(b"52.5163 N, 13.3777 E\0\0");
        let mut bytes = encoded(&held, "image/jpeg");
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let rest = bytes.split_off(2);
        bytes.extend([&[0xff, 0xe1][..], &length, &exif, &rest].concat());
        let file = arrived(&company, "photo.jpg", "image/jpeg", &bytes).await;
        let small = fetched_bytes(&company, &file).await;
        for text in [&b"52.5163"[..], b"Exif"] {
            assert!(bytes.windows(text.len()).any(|part| part == text));
            assert!(!small.windows(text.len()).any(|part| part == text), "{orientation}");
        }
        let small = fetched(&company, &file).await;
        assert_eq!(small.dimensions(), (240, 320), "{orientation}");
        assert!(is_upright(&small), "{orientation}");
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_available_without_a_thumbnail() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let whole = encoded(&picture(640, 480), "image/png");
    // Few bytes, and more pixels than are taken.
    let bomb = encoded(&RgbImage::new(7_100, 7_100), "image/png");
    // A size that only its header has: 60,000 x 60,000 would be ten gigabytes.
    let mut frame = encoded(&picture(64, 48), "image/jpeg");
    let at = frame.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    frame[at + 5..at + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let jpeg = encoded(&picture(640, 480), "image/jpeg");
    let webp = encoded(&picture(640, 480), "image/webp");
    let other = [&b"\x89PNG\r\n\x1a\n"[..], b"MZ, and not a picture at all"].concat();
    let cases = [
        ("bomb.png", "image/png", bomb),
        ("bomb.jpg", "image/jpeg", frame),
        ("other.png", "image/png", other),
        ("cut.png", "image/png", whole[..whole.len() / 2].to_vec()),
        ("cut.webp", "image/webp", webp[..webp.len() / 2].to_vec()),
        ("header.jpg", "image/jpeg", jpeg[..4].to_vec()),
        ("noise.webp", "image/webp", [&webp[..20], &whole[..]].concat()),
        ("long.png", "image/png", [whole, vec![0; 25 * 1024 * 1024]].concat()),
    ];
    let count = cases.len();
    for (name, content_type, bytes) in cases {
        let file = arrived(&company, name, content_type, &bytes).await;
        let seen = company.get(&path(&file)).await.body;
        assert_eq!((&seen["status"], &seen["hasThumbnail"]), (&json!("available"), &json!(false)), "{name}");
        thumbnail(&company, &file).await.assert_problem(404, "not_found");
        assert_eq!(download(&company, &file).await.status, 200, "{name}");
        assert_eq!(versions(&nexo, &key(&company, &file)).await, (0, 0), "{name}");
    }
    // Each is said once, without its name, and tried once: it would come to the same again.
    assert_eq!(said(&nexo, "no thumbnail"), count);
    let too_large = nexo.log().iter().filter(|line| line.contains("\"cause\":\"too large\"")).count();
    assert_eq!(too_large, 3);
    assert!(!nexo.log().iter().any(|line| line.contains("bomb")));
    // A few bytes that are very many pixels, but no more than are taken.
    let zeros = encoded(&RgbImage::new(7_000, 7_000), "image/png");
    assert!(zeros.len() < 1_000_000, "{}", zeros.len());
    let file = arrived(&company, "zeros.png", "image/png", &zeros).await;
    assert_eq!(fetched(&company, &file).await.dimensions(), (320, 320));
}

#[tokio::test]
async fn a_thumbnail_is_to_be_had_where_its_file_is() {
    let nexo = scanning().await;
    let company = nexo.register().await;
    let bytes = png();
    let file = company.post("/api/uploads", &announcement("a.png", "image/png", &bytes)).await.body;
    let object = key(&company, &file).replacen('t', "a", 1);
    thumbnail(&company, &file).await.assert_problem(409, "conflict");
    company.upload(&file, &bytes).await;
    // Nothing is decoded before its verdict.
    thumbnail(&company, &file).await.assert_problem(409, "conflict");
    assert_eq!(versions(&nexo, &key(&company, &file)).await, (0, 0));
    assert_eq!(told(&nexo, &object, "NO_THREATS_FOUND").await, "thumbnail made");
    assert_eq!(fetched(&company, &file).await.dimensions(), (64, 48));

    // Of a file that was deleted there is none, until it is restored.
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    thumbnail(&company, &file).await.assert_problem(404, "not_found");
    assert_eq!(company.post(&format!("{}/restore", path(&file)), &json!({})).await.status, 200);
    assert_eq!(thumbnail(&company, &file).await.status, 200);

    // A version has its own, and goes with its file.
    let mut second = announcement("b.png", "image/png", &encoded(&picture(8, 8), "image/png"));
    second.as_object_mut().unwrap().remove("category");
    let version = company.post(&format!("{}/versions", path(&file)), &second).await.body;
    company.upload(&version, &encoded(&picture(8, 8), "image/png")).await;
    told(&nexo, &key(&company, &version).replacen('t', "a", 1), "NO_THREATS_FOUND").await;
    assert_eq!(fetched(&company, &version).await.dimensions(), (8, 8));
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    thumbnail(&company, &version).await.assert_problem(404, "not_found");
    assert_eq!(company.post(&format!("{}/restore", path(&file)), &json!({})).await.status, 200);

    // What turns out to be harmful is not shown either.
    assert_eq!(told(&nexo, &object, "THREATS_FOUND").await, "file quarantined");
    thumbnail(&company, &file).await.assert_problem(409, "conflict");
}

#[tokio::test]
async fn nobody_but_the_function_that_makes_them_writes_thumbnails() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let file = arrived(&own, "a.png", "image/png", &png()).await;
    let theirs = arrived(&other, "b.png", "image/png", &png()).await;
    thumbnail(&own, &theirs).await.assert_problem(404, "not_found");
    let bucket = nexo.server().template().bucket.as_ref().unwrap().name.clone();
    let of_the_account = super::bucket::client(&nexo, &own).await;
    let of_an_import = super::bucket::client_of(&nexo, &own, "ImporterFunction").await;
    let (of_the_maker, _) = bucket_client(&nexo, "FilesFunction").await;
    let (of_the_sweeper, _) = bucket_client(&nexo, "SweepFunction").await;
    let gets = async |client: &Client, file_key: String| {
        client.get_object().bucket(&bucket).key(file_key).send().await.is_ok()
    };
    let puts = async |client: &Client, file_key: String, condition: Option<&str>| {
        let put = client.put_object().bucket(&bucket).key(file_key).body(PDF.to_vec().into());
        put.set_if_none_match(condition.map(str::to_owned)).send().await.is_ok()
    };
    assert!(gets(&of_the_account, key(&own, &file)).await);
    assert!(!gets(&of_the_account, key(&other, &theirs)).await);
    assert!(!gets(&of_an_import, key(&own, &file)).await);
    let fresh = |prefix: &str| format!("{prefix}/{}/01ARZ3NDEKTSV4RRFFQ69G5FAV", own.account());
    for client in [&of_the_account, &of_an_import, &of_the_sweeper] {
        assert!(!puts(client, fresh("t"), Some("*")).await);
        assert!(!puts(client, key(&own, &file), Some("*")).await);
    }
    for client in [&of_the_account, &of_an_import, &of_the_maker] {
        let delete = client.delete_object().bucket(&bucket).key(key(&own, &file));
        assert!(delete.send().await.is_err());
    }
    // It writes none twice, and no file.
    assert!(!puts(&of_the_maker, key(&own, &file), Some("*")).await);
    assert!(!puts(&of_the_maker, fresh("t"), None).await);
    assert!(!puts(&of_the_maker, fresh("a"), Some("*")).await);
    assert!(puts(&of_the_maker, fresh("t"), Some("*")).await);
    assert_eq!(fetched(&own, &file).await.dimensions(), (64, 48));
}

#[tokio::test]
async fn an_event_that_comes_again_makes_no_second_thumbnail() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = arrived(&company, "a.png", "image/png", &png()).await;
    let seen = company.get(&path(&file)).await.body;
    for _ in 0..2 {
        assert!(nexo.server().invoke("FilesFunction", event(&nexo, &company, &file)).await.is_ok());
    }
    assert_eq!(company.get(&path(&file)).await.body, seen);
    assert_eq!(versions(&nexo, &key(&company, &file)).await, (1, 0));
    assert_eq!(said(&nexo, "thumbnail made"), 1);
}

/// Whatever call fails, the file is available by its own; and the thumbnail is there in the end, once.
#[tokio::test]
async fn a_thumbnail_that_fails_half_way_is_made_when_the_event_comes_again() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let bytes = png();
    for (how, nth) in [
        Fault::BeforeExecution(ServiceError::InternalServerError),
        Fault::AfterExecution,
        Fault::TransactionConflict,
        Fault::Death { executed: true },
        Fault::Death { executed: false },
    ]
    .into_iter()
    .flat_map(|how| [(how, 3), (how, 4)])
    {
        let file = company.post("/api/uploads", &announcement("a.png", "image/png", &bytes)).await.body;
        nexo.settled().await;
        // First it is read and made available; it is read again by the third call, and the fourth notes the thumbnail.
        nexo.door().faults().arm((nth..=nth + 1).map(|n| FailNth { n, how }));
        company.upload(&file, &bytes).await;
        nexo.door().faults().disarm();
        assert_eq!(fetched(&company, &file).await.dimensions(), (64, 48), "{how:?}");
        assert_eq!(versions(&nexo, &key(&company, &file)).await, (1, 0), "{how:?}");
        assert_eq!(company.get(&path(&file)).await.body["version"], 2, "{how:?}");
    }
    // The bucket is asked what has arrived, for its first bytes, and then for all of them, and given the thumbnail.
    for nth in 3..=4 {
        for how in [BucketFault::SlowDown, BucketFault::Cut] {
            let file = company.post("/api/uploads", &announcement("a.png", "image/png", &bytes)).await.body;
            let faults = nexo.server().files().unwrap().faults();
            // The first call is the upload itself.
            faults.arm((nth + 1..=nth + 2).map(|n| FailNth { n, how }));
            company.upload(&file, &bytes).await;
            faults.disarm();
            assert_eq!(fetched(&company, &file).await.dimensions(), (64, 48), "{how:?} at {nth}");
            assert_eq!(versions(&nexo, &key(&company, &file)).await, (1, 0), "{how:?} at {nth}");
        }
    }
    // Where it fails for as long as it is tried, the file is available, and the event makes up for it another day.
    let file = company.post("/api/uploads", &announcement("a.png", "image/png", &bytes)).await.body;
    let faults = nexo.server().files().unwrap().faults();
    faults.arm((4..=50).map(|n| FailNth { n, how: BucketFault::SlowDown }));
    company.upload(&file, &bytes).await;
    faults.disarm();
    assert!(said(&nexo, "thumbnail not made") > 0 && said(&nexo, "gave up on an object's event") == 1);
    assert_eq!(company.get(&path(&file)).await.body["status"], "available");
    thumbnail(&company, &file).await.assert_problem(404, "not_found");
    assert!(nexo.server().invoke("FilesFunction", event(&nexo, &company, &file)).await.is_ok());
    assert_eq!(fetched(&company, &file).await.dimensions(), (64, 48));
}

#[tokio::test]
async fn a_thumbnail_is_erased_with_its_file() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (file, kept) = (
        arrived(&company, "a.png", "image/png", &png()).await,
        arrived(&company, "b.png", "image/png", &png()).await,
    );
    let mut second = announcement("c.png", "image/png", &png());
    second.as_object_mut().unwrap().remove("category");
    let version = company.post(&format!("{}/versions", path(&file)), &second).await.body;
    company.upload(&version, &png()).await;
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    nexo.settled().await;
    nexo.clock.advance(HOUR);
    company.log_in().await;
    // Whatever of it fails, the record goes last.
    let faults = nexo.server().files().unwrap().faults();
    faults.arm((4..=7).map(|n| FailNth { n, how: BucketFault::SlowDown }));
    assert_eq!(company.post(&format!("{}/purge", path(&file)), &json!({})).await.status, 204);
    nexo.settled().await;
    faults.disarm();
    for gone in [&file, &version] {
        assert_eq!(versions(&nexo, &key(&company, gone)).await, (0, 0));
        assert_eq!(nexo.item(&company, "FIL", ulid(gone["id"].as_str().unwrap())).await, Value::Null);
    }
    assert_eq!(fetched(&company, &kept).await.dimensions(), (64, 48));
}

/// One that was made while its file was purged, or a table that was restored to yesterday.
#[tokio::test]
async fn a_round_puts_away_thumbnails_of_no_file() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let kept = arrived(&company, "a.png", "image/png", &png()).await;
    let (client, bucket) = bucket_client(&nexo, "FilesFunction").await;
    let orphan = format!("t/{}/01ARZ3NDEKTSV4RRFFQ69G5FAV", company.account());
    let put = client.put_object().bucket(&bucket).key(&orphan).if_none_match("*").body(PDF.to_vec().into());
    put.send().await.unwrap();
    nexo.settled().await;
    assert_eq!(nexo.sweep().await["putAway"], 0, "its record could be on its way");
    nexo.clock.advance(DAY);
    assert_eq!(nexo.sweep().await["putAway"], 1);
    assert_eq!(versions(&nexo, &orphan).await, (1, 1));
    assert_eq!(nexo.sweep().await["putAway"], 0);
    company.log_in().await;
    assert_eq!(fetched(&company, &kept).await.dimensions(), (64, 48));
    assert_eq!(versions(&nexo, &key(&company, &kept)).await, (1, 0));
    assert_eq!(nexo.door().log().totals().refused, 0);
}

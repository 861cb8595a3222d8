use std::panic::catch_unwind;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _, Rgba};
use image_webp::{ColorType, WebPEncoder};
use proptest::prelude::*;

use super::*;

/// The least WebP with loss, which nothing here can encode, and one with a channel for what shows through.
const LOSSY: &str = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA";
const LOSSY_ALPHA: &str = "UklGRkoAAABXRUJQVlA4WAoAAAAQAAAAAAAAAAAAQUxQSAwAAAARBxAR/Q9ERP8DAABWUDggGAAAABQBAJ0BKgEAAQAAAP4AAA3AAP7mtQAAAA==";
const MOVING: &str = "UklGRlIAAABXRUJQVlA4WAoAAAASAAAAAAAAAAAAQU5JTQYAAAD/////AABBTk1GJgAAAAAAAAAAAAAAAAAAAGQAAABWUDhMDQAAAC8AAAAQBxAREYiI/gcA";

const TYPES: [FileType; 3] = [FileType::Png, FileType::Jpeg, FileType::Webp];

fn bytes(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).unwrap()
}

fn png(picture: &RgbaImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (width, height) = picture.dimensions();
    PngEncoder::new(&mut bytes).write_image(picture, width, height, ExtendedColorType::Rgba8).unwrap();
    bytes
}

/// A picture of one colour.
fn plain(width: u32, height: u32, file_type: FileType) -> Vec<u8> {
    let picture = RgbaImage::from_pixel(width, height, Rgba([200, 30, 40, 255]));
    let mut bytes = Vec::new();
    match file_type {
        FileType::Jpeg => {
            let rgb = DynamicImage::ImageRgba8(picture).into_rgb8();
            JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&rgb).unwrap();
        }
        FileType::Webp => {
            WebPEncoder::new(&mut bytes).encode(&picture, width, height, ColorType::Rgba8).unwrap();
        }
        _ => bytes = png(&picture),
    }
    bytes
}

fn opened(jpeg: &[u8]) -> RgbImage {
    image::load_from_memory_with_format(jpeg, ImageFormat::Jpeg).unwrap().into_rgb8()
}

/// The checksum of a chunk of PNG (ISO 3309), so that what is changed in one is taken for whole.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
            },
        )
    })
}

/// A PNG that says to have another size.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = plain(8, 8, FileType::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn a_thumbnail_has_the_shape_of_its_picture_and_is_never_larger() {
    for (size, expected) in [
        ((640, 480), (320, 240)),
        ((480, 640), (240, 320)),
        ((320, 320), (320, 320)),
        ((100, 50), (100, 50)),
        ((1, 1), (1, 1)),
        ((1, 30_000), (1, 320)),
        ((30_000, 2), (320, 1)),
        ((321, 320), (320, 319)),
    ] {
        for file_type in TYPES {
            // WebP goes no further than that.
            if file_type == FileType::Webp && size.0.max(size.1) > 16_383 {
                continue;
            }
            let small = opened(&thumbnail(&plain(size.0, size.1, file_type), file_type).unwrap());
            assert_eq!(small.dimensions(), expected, "{file_type} of {size:?}");
            let [red, green, blue] = small.get_pixel(0, 0).0;
            assert!(red > 185 && green < 50 && blue < 60, "{file_type}: {red} {green} {blue}");
        }
    }
    for text in [LOSSY, LOSSY_ALPHA, MOVING] {
        let small = opened(&thumbnail(&bytes(text), FileType::Webp).unwrap());
        assert_eq!(small.dimensions(), (1, 1), "{text}");
    }
}

#[test]
fn what_is_transparent_is_white_and_its_colour_is_not_seen() {
    // Black that cannot be seen, beside red that can: no edge of theirs is dark.
    let picture =
        RgbaImage::from_fn(
            640,
            640,
            |x, _| {
                if x % 4 < 2 { Rgba([0, 0, 0, 0]) } else { Rgba([255, 0, 0, 255]) }
            },
        );
    let small = opened(&thumbnail(&png(&picture), FileType::Png).unwrap());
    assert!(small.pixels().all(|pixel| pixel.0[0] > 235), "{:?}", small.get_pixel(0, 0));
    let half = RgbaImage::from_pixel(2, 2, Rgba([0, 0, 0, 128]));
    let grey = opened(&thumbnail(&png(&half), FileType::Png).unwrap()).get_pixel(0, 0).0;
    assert!(grey.iter().all(|value| (120..=134).contains(value)), "{grey:?}");
}

#[test]
fn what_takes_too_much_is_refused_by_its_header() {
    let jpeg = {
        let mut bytes = plain(8, 8, FileType::Jpeg);
        let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        bytes
    };
    let webp = {
        let mut bytes = plain(8, 8, FileType::Webp);
        let header = bytes.windows(4).position(|name| name == b"VP8L").unwrap() + 9;
        bytes[header..header + 4].copy_from_slice(&0x0fff_bffe_u32.to_le_bytes());
        bytes
    };
    for (what, bytes, file_type) in [
        ("60,000 x 60,000", claiming(60_000, 60_000), FileType::Png),
        ("more rows than pixels are taken", claiming(1, 50_000_001), FileType::Png),
        ("60,000 x 60,000", jpeg, FileType::Jpeg),
        ("16,383 x 16,383", webp, FileType::Webp),
    ] {
        let refused = thumbnail(&bytes, file_type);
        assert!(matches!(refused, Err(NoThumbnail::TooLarge)), "{what}: {refused:?}");
    }
    // The decoder's own bound comes first.
    let refused = thumbnail(&claiming(0x7fff_ffff, 0x7fff_ffff), FileType::Png);
    assert!(matches!(refused, Err(NoThumbnail::Undecodable(ImageError::Limits(_)))), "{refused:?}");
    let most = usize::try_from(MOST_BYTES).unwrap();
    let mut large = plain(8, 8, FileType::Png);
    large.resize(most, 0);
    assert!(thumbnail(&large, FileType::Png).is_ok());
    large.push(0);
    assert!(matches!(thumbnail(&large, FileType::Png), Err(NoThumbnail::TooLarge)));
}

/// The header of the whole says one pixel, and the frame in it says 268 million.
#[test]
fn a_frame_of_webp_is_judged_by_what_it_says_itself() {
    for (text, is_kept) in [(LOSSY, true), (LOSSY_ALPHA, true)] {
        let mut picture = bytes(text);
        assert_eq!(thumbnail(&picture, FileType::Webp).is_ok(), is_kept);
        let frame = picture.windows(4).position(|name| name == b"VP8 ").unwrap();
        picture[frame + 14..frame + 18].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
        assert!(matches!(thumbnail(&picture, FileType::Webp), Err(NoThumbnail::TooLarge)));
    }
}

/// Parts that wait for more, and markers at each of which they would be put in order: hours for the decoder.
#[test]
fn parts_of_a_jpeg_that_wait_for_more_cost_nothing() {
    let plain = plain(8, 8, FileType::Jpeg);
    let mut bytes = plain[..2].to_vec();
    for _ in 0..30_000 {
        bytes.extend([0xff, 0xe1, 0, 77]);
        bytes.extend(EXTENDED_XMP);
        bytes.extend([b'0'; 32]);
        bytes.extend([0, 0, 0, 9, 0, 0, 0, 1]);
    }
    bytes.extend([0xff, 0xfe, 0, 2].repeat(300_000));
    bytes.extend(&plain[2..]);
    assert!(thumbnail(&bytes, FileType::Jpeg).is_ok());
}

/// Many pixels of 16 bits become one.
#[test]
fn what_is_white_is_white_whatever_its_shape() {
    let (width, height) = (100_000, 300);
    let mut bytes = Vec::new();
    let white = vec![0xff; width as usize * height as usize * 2];
    PngEncoder::new(&mut bytes).write_image(&white, width, height, ExtendedColorType::L16).unwrap();
    let small = opened(&thumbnail(&bytes, FileType::Png).unwrap());
    assert_eq!((small.dimensions(), small.get_pixel(0, 0).0), ((320, 1), [255; 3]));
}

/// Its decoder makes far more of the tables of such a picture than they take in it.
#[test]
fn webp_without_loss_is_taken_up_to_less() {
    let mut lossy = bytes(LOSSY);
    lossy.resize(MOST_LOSSLESS + 1, 0);
    assert!(thumbnail(&lossy, FileType::Webp).is_ok());
    for mut bytes in [bytes(LOSSY_ALPHA), bytes(MOVING), plain(8, 8, FileType::Webp)] {
        bytes.resize(MOST_LOSSLESS, 0);
        assert!(thumbnail(&bytes, FileType::Webp).is_ok());
        bytes.push(0);
        assert!(matches!(thumbnail(&bytes, FileType::Webp), Err(NoThumbnail::TooLarge)));
    }
}

#[test]
fn what_is_no_picture_has_none() {
    assert!(matches!(thumbnail(b"%PDF-1.4\n", FileType::Pdf), Err(NoThumbnail::NotAPicture)));
    for file_type in TYPES {
        for bytes in [&b""[..], b"%PDF-1.4\n", &plain(8, 8, file_type)[..20]] {
            assert!(thumbnail(bytes, file_type).is_err(), "{file_type}: {bytes:?}");
        }
    }
}

/// Whatever a stranger sends: a thumbnail, a refusal or a panic that is caught, and never the end of the process.
fn survives(bytes: &[u8], file_type: FileType) {
    if let Ok(Ok(jpeg)) = catch_unwind(|| thumbnail(bytes, file_type)) {
        let (width, height) = opened(&jpeg).dimensions();
        assert!(width.max(height) <= LONGEST_SIDE && width.min(height) > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_behind_a_right_beginning_end_nothing(
        kind in 0..3_usize,
        kept in 8..64_usize,
        rest in prop::collection::vec(any::<u8>(), 0..2048),
    ) {
        let mut bytes = plain(40, 30, TYPES[kind]);
        bytes.truncate(kept);
        bytes.extend(rest);
        survives(&bytes, TYPES[kind]);
    }

    #[test]
    fn pictures_with_changed_bytes_end_nothing(
        kind in 0..6_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
    ) {
        let (mut picture, file_type) = match kind {
            0..3 => (plain(40, 30, TYPES[kind]), TYPES[kind]),
            3 => (bytes(LOSSY), FileType::Webp),
            4 => (bytes(LOSSY_ALPHA), FileType::Webp),
            _ => (bytes(MOVING), FileType::Webp),
        };
        for (place, byte) in changes {
            let place = place.index(picture.len());
            picture[place] = byte;
        }
        survives(&picture, file_type);
        picture.truncate(end.index(picture.len()));
        survives(&picture, file_type);
    }
}

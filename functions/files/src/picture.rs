//! Makes a small picture of a large one.
//!
//! Whoever sends a picture decides what its decoder reads, so all that it could ask for is bounded before it is asked
//! for: bytes, pixels, what they take unpacked, and what tables of WebP take. The decoders are pure Rust without
//! `unsafe` of ours; one that panics all the same ends in its caller's thread.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};
use image_webp::{DecodingError, WebPDecoder};
use nexo_domain::FileType;

/// The largest picture that is looked at, in bytes.
pub(crate) const MOST_BYTES: u64 = 25 * 1024 * 1024;

/// The most pixels of one: a phone's camera makes 50 million at most.
const MOST_PIXELS: u64 = 50_000_000;

/// What they take unpacked, in bytes.
const MOST_UNPACKED: u64 = 200_000_000;

/// The largest WebP in which something is packed without loss, in bytes. Its tables are unpacked to up to some hundred
/// times what they take in the file, and the decoder has no limit for them.
const MOST_LOSSLESS: usize = 1024 * 1024;

/// How a part of a JPEG begins whose decoder puts all such parts in order at each marker that follows: some megabytes of
/// them are hours. Nothing of it is kept.
const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";

/// The longest side of a thumbnail, in pixels.
pub(crate) const LONGEST_SIDE: u32 = 320;

/// How well JPEG keeps it, of 100.
const QUALITY: u8 = 80;

/// White, as what is transparent is shown.
const WHITE: u16 = 255;

/// Why there is no thumbnail of a picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoThumbnail {
    /// It is not one of the types that are decoded.
    #[error("no picture")]
    NotAPicture,
    /// It has more bytes or pixels than are looked at.
    #[error("too large")]
    TooLarge,
    /// Its decoder refuses it.
    #[error(transparent)]
    Undecodable(#[from] ImageError),
    /// The decoder of WebP does.
    #[error(transparent)]
    UndecodableWebp(#[from] DecodingError),
}

/// A thumbnail of a picture, as JPEG: upright, on white, without anything but its pixels. Its first frame, if it moves.
///
/// # Errors
/// Why there is none.
///
/// # Panics
/// Where a decoder does.
pub(crate) fn thumbnail(bytes: &[u8], file_type: FileType) -> Result<Vec<u8>, NoThumbnail> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(NoThumbnail::TooLarge);
    }
    let (picture, orientation) = match file_type {
        FileType::Png => decoded(bytes, ImageFormat::Png)?,
        FileType::Jpeg => decoded(&without_extended_xmp(bytes), ImageFormat::Jpeg)?,
        FileType::Webp => decoded_webp(bytes)?,
        _ => return Err(NoThumbnail::NotAPicture),
    };
    let (width, height) = fitted(picture.width(), picture.height());
    let mut small = on_white(picture).thumbnail_exact(width, height);
    small.apply_orientation(orientation);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&small.into_rgb8())?;
    Ok(jpeg)
}

/// A PNG or JPEG, and how it is to be turned.
fn decoded(bytes: &[u8], format: ImageFormat) -> Result<(DynamicImage, Orientation), NoThumbnail> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_UNPACKED);
    reader.limits(limits);
    // It has read the header, and no more.
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    judge(width, height, decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

/// A JPEG whose parts with extended XMP are of no kind that its decoder knows.
fn without_extended_xmp(jpeg: &[u8]) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    let is_extended_xmp = |part: &[u8]| part == EXTENDED_XMP;
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(EXTENDED_XMP.len()).position(is_extended_xmp) {
        from += at;
        bytes[from] = 0;
    }
    bytes
}

/// A WebP, and how it is to be turned.
fn decoded_webp(bytes: &[u8]) -> Result<(DynamicImage, Orientation), NoThumbnail> {
    judge_chunks(bytes)?;
    let mut decoder = WebPDecoder::new(Cursor::new(bytes))?;
    // What a chunk says to have is made room for before it is read.
    decoder.set_memory_limit(bytes.len());
    let (width, height) = decoder.dimensions();
    let unpacked = decoder.output_buffer_size().ok_or(NoThumbnail::TooLarge)?;
    judge(width, height, unpacked as u64)?;
    let exif = decoder.exif_metadata()?;
    let orientation = exif.and_then(|exif| Orientation::from_exif_chunk(&exif));
    let mut pixels = vec![0; unpacked];
    decoder.read_image(&mut pixels)?;
    let picture = if decoder.has_alpha() {
        RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    Ok((picture.ok_or(NoThumbnail::TooLarge)?, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// Refuses a WebP by what its parts say, wherever they stand: the decoder takes them from more places than it says, and
/// at their word, whatever the header of the whole says.
fn judge_chunks(bytes: &[u8]) -> Result<(), NoThumbnail> {
    for at in 0..bytes.len().saturating_sub(8) {
        let (name, rest) = (&bytes[at..at + 4], &bytes[at + 8..]);
        let is_lossless = match name {
            // Its signature.
            b"VP8L" => rest.first() == Some(&0x2f),
            b"ALPH" => {
                let size = u32::from_le_bytes([bytes[at + 4], bytes[at + 5], bytes[at + 6], bytes[at + 7]]);
                usize::try_from(size).is_ok_and(|size| size <= rest.len())
            }
            b"VP8 " => {
                // A tag, the start code, and 14 bits each of width and height (RFC 6386, 9.1).
                if let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = *rest {
                    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                    judge(side(w0, w1), side(h0, h1), 0)?;
                }
                false
            }
            _ => false,
        };
        if is_lossless && bytes.len() > MOST_LOSSLESS {
            return Err(NoThumbnail::TooLarge);
        }
    }
    Ok(())
}

/// Refuses a picture that takes more than can be spared, by what its header says.
fn judge(width: u32, height: u32, unpacked: u64) -> Result<(), NoThumbnail> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MOST_PIXELS || unpacked > MOST_UNPACKED {
        return Err(NoThumbnail::TooLarge);
    }
    Ok(())
}

/// The size of a thumbnail: of the same shape, but with no side of nothing, and never larger than its picture.
fn fitted(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= LONGEST_SIDE {
        return (width, height);
    }
    let scaled = |side: u32| {
        let rounded =
            (u64::from(side) * u64::from(LONGEST_SIDE) + u64::from(longest) / 2) / u64::from(longest);
        u32::try_from(rounded).unwrap_or(LONGEST_SIDE).max(1)
    };
    (scaled(width), scaled(height))
}

/// A picture of 8 bits a colour with white behind it: before it is made small, so that the colour of what cannot be seen
/// does not mix into its edges, and the sums of colours do not overflow.
fn on_white(picture: DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8().into();
    }
    let mut pixels = picture.into_rgba8();
    for pixel in pixels.pixels_mut() {
        let [colours @ .., alpha] = &mut pixel.0;
        let shown = u16::from(*alpha);
        for colour in colours {
            let mixed = (u16::from(*colour) * shown + WHITE * (WHITE - shown) + WHITE / 2) / WHITE;
            *colour = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
        *alpha = u8::MAX;
    }
    DynamicImage::ImageRgba8(pixels)
}

#[cfg(test)]
mod tests;

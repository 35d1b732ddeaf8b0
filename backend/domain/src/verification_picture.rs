//! Makes an uploaded picture of a document safe to keep and to show: judged by its content, decoded, written anew.
//!
//! What is stored is never what was uploaded. Decoding proves that it is a picture and leaves everything else behind:
//! place and device of the photograph, thumbnails of what was cut off, programs that hide in metadata, and whatever
//! follows the picture in its file. A picture that is small on disk and huge when decoded is refused by its header,
//! before memory is taken for it; what a lying header would still take is bounded by the decoder's own limit, and by
//! how many pictures are decoded at once.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use kamiflow_kernel::SecretBytes;
use tokio::sync::Semaphore;

/// Largest file, bytes.
pub const MOST_BYTES: usize = 5 * 1024 * 1024;
/// Most pixels: more than the cameras of phones make by themselves.
pub const MOST_PIXELS: u64 = 30_000_000;
/// Longest side, pixels.
const LONGEST_SIDE: u32 = 12_000;
/// Shortest side at which a document can be read, pixels.
const SHORTEST_SIDE: u32 = 200;
/// Memory one picture may take while it is decoded, bytes.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;
/// Documents stay readable, and files small.
const QUALITY: u8 = 88;
/// Pictures that are decoded at once in this process.
static DECODING: Semaphore = Semaphore::const_new(2);

/// What every stored picture is.
pub const MEDIA_TYPE: &str = "image/jpeg";

/// Why a picture cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Over 5 MB.
    #[error("the picture is larger than 5 MB; take it with fewer pixels")]
    TooLarge,
    /// Neither JPEG nor PNG, whatever its name says.
    #[error("the file is neither a JPEG nor a PNG picture")]
    OtherFormat,
    /// More pixels than any photograph of a document needs.
    #[error("the picture has too many pixels; send one of at most 30 million")]
    TooManyPixels,
    /// Nobody could read it.
    #[error("the picture is too small to be read; send one of at least 200 pixels on each side")]
    TooSmall,
    /// Cut off, or broken.
    #[error("the picture is damaged; take it anew")]
    Damaged,
}

/// Decodes an uploaded file on a thread for such work, and writes it anew.
///
/// # Errors
/// See [`PictureError`].
pub async fn clean(file: Vec<u8>) -> Result<SecretBytes, PictureError> {
    // Closed by nobody; without a permit nothing but the bound is lost.
    let _permit = DECODING.acquire().await;
    let cleaned = tokio::task::spawn_blocking(move || clean_now(&file)).await;
    // A decoder that panics has met a file that it cannot read.
    cleaned.unwrap_or(Err(PictureError::Damaged))
}

fn clean_now(file: &[u8]) -> Result<SecretBytes, PictureError> {
    if file.len() > MOST_BYTES {
        return Err(PictureError::TooLarge);
    }
    let format = match image::guess_format(file) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        _ => return Err(PictureError::OtherFormat),
    };
    let (width, height) = ImageReader::with_format(Cursor::new(file), format)
        .into_dimensions()
        .map_err(|_header| PictureError::Damaged)?;
    if width.max(height) > LONGEST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(PictureError::TooManyPixels);
    }
    if width.min(height) < SHORTEST_SIDE {
        return Err(PictureError::TooSmall);
    }
    encode(&decode(file, format).map_err(|_broken| PictureError::Damaged)?)
}

fn decode(file: &[u8], format: ImageFormat) -> Result<DynamicImage, image::ImageError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // The one thing of the metadata that the picture needs: which way is up.
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn encode(picture: &DynamicImage) -> Result<SecretBytes, PictureError> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, QUALITY)
        .encode_image(&picture.to_rgb8())
        .map_err(|_encoder| PictureError::Damaged)?;
    Ok(SecretBytes::new(file))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let drawn = RgbImage::from_fn(width, height, |x, y| {
            let shade = u8::try_from((x / 7 + y / 5) % 256).unwrap();
            Rgb([shade, 255 - shade, if x < width / 2 { 0 } else { 255 }])
        });
        let mut file = Cursor::new(Vec::new());
        DynamicImage::from(drawn).write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn size(file: &SecretBytes) -> (u32, u32) {
        let picture = image::load_from_memory_with_format(file.expose(), ImageFormat::Jpeg).unwrap();
        (picture.width(), picture.height())
    }

    /// A segment of metadata right behind the start of a JPEG.
    fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&jpeg[..2], &[0xff, marker], &length, body, &jpeg[2..]].concat()
    }

    fn contains(file: &[u8], what: &[u8]) -> bool {
        file.windows(what.len()).any(|window| window == what)
    }

    #[test]
    fn both_formats_are_written_anew_without_what_came_with_them() {
        let jpeg = picture(400, 300, ImageFormat::Jpeg);
        let comment = with_segment(&jpeg, 0xfe, b"31.2304 N 121.4737 E");
        let trailing = [comment.as_slice(), b"<script>alert(1)</script>"].concat();
        assert!(contains(&trailing, b"31.2304") && contains(&trailing, b"<script>"));
        let cleaned = clean_now(&trailing).unwrap();
        assert_eq!(size(&cleaned), (400, 300));
        assert!(!contains(cleaned.expose(), b"31.2304") && !contains(cleaned.expose(), b"<script>"));
        let png = picture(400, 300, ImageFormat::Png);
        assert_eq!(size(&clean_now(&png).unwrap()), (400, 300));
    }

    #[test]
    fn a_photograph_taken_upright_stays_upright() {
        // TIFF header, one entry: orientation (0x0112), short, 6: turned by 90 degrees.
        let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let turned = with_segment(&picture(400, 300, ImageFormat::Jpeg), 0xe1, exif);
        let cleaned = clean_now(&turned).unwrap();
        assert_eq!(size(&cleaned), (300, 400));
        assert!(!contains(cleaned.expose(), b"Exif"));
    }

    #[test]
    fn whatever_is_no_readable_picture_is_refused_with_its_reason() {
        let refused = |file: &[u8]| clean_now(file).unwrap_err();
        for other in [b"".as_slice(), b"GIF89a\x01\0\x01\0\0\0\0;", b"%PDF-1.7", b"<svg xmlns='x'/>", b"BM\0\0"] {
            assert_eq!(refused(other), PictureError::OtherFormat);
        }
        let jpeg = picture(400, 300, ImageFormat::Jpeg);
        assert_eq!(refused(&jpeg[..jpeg.len() / 8]), PictureError::Damaged);
        let png = picture(400, 300, ImageFormat::Png);
        assert_eq!(refused(&png[..png.len() / 2]), PictureError::Damaged);
        assert_eq!(refused(&picture(199, 900, ImageFormat::Png)), PictureError::TooSmall);
        assert_eq!(refused(&vec![0xff; MOST_BYTES + 1]), PictureError::TooLarge);
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        // Truthful: one color, 7,000 times 7,000 pixels in a few kilobytes.
        let flat = DynamicImage::from(image::GrayImage::new(7_000, 7_000));
        let mut file = Cursor::new(Vec::new());
        flat.write_to(&mut file, ImageFormat::Png).unwrap();
        assert!(file.get_ref().len() < MOST_BYTES);
        assert_eq!(clean_now(file.get_ref()).unwrap_err(), PictureError::TooManyPixels);
        // Lying: a header of 2^31 - 1 by 2^31 - 1 with a checksum that fits.
        let mut lying = picture(400, 300, ImageFormat::Png);
        lying[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        assert!(matches!(clean_now(&lying).unwrap_err(), PictureError::TooManyPixels | PictureError::Damaged));
    }
}

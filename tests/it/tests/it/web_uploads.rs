//! Files that are sent to do harm: by what is in them, by how much comes out of them, and by what they are called.

use std::io::{Cursor, Write as _};

use kamiflow_test_support::accounts::PASSWORD;
use kamiflow_test_support::{Browser, TestSite};

use crate::web_staff::{PAGE, merchant, only_case, reviewer};
use crate::web_verification::{multipart, picture, submits};

const PERSON: [(&str, &str); 3] = [("kind", "person"), ("name", "张三"), ("number", "11010519491231002X")];
const SCRIPT: &str = "<script>alert('kamiflow')</script>";

/// Returns the checksum of a chunk of a PNG.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

/// Returns a PNG whose header says that it is so large; what is in it is as small as before.
fn swollen(side: u32) -> Vec<u8> {
    let mut file = picture();
    file[16..20].copy_from_slice(&side.to_be_bytes());
    file[20..24].copy_from_slice(&side.to_be_bytes());
    let sum = crc(&file[12..29]);
    file[29..33].copy_from_slice(&sum.to_be_bytes());
    file
}

/// Returns a picture of a single color, which is small as a file.
fn flat(side: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image::GrayImage::new(side, side).write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// Returns a zip with a page in it.
fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("index.html", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(SCRIPT.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn what_is_no_picture_by_its_content_is_refused_whatever_it_is_called() {
    let site = TestSite::start().await;
    let (_owner, her) = merchant(&site).await;
    let svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"400\" height=\"400\">{SCRIPT}</svg>");
    let gif = [b"GIF89a".as_slice(), &[0; 64]].concat();
    let half = picture()[..200].to_vec();
    let lying = [b"\x89PNG\r\n\x1a\n".as_slice(), SCRIPT.as_bytes()].concat();
    let bomb = swollen(30_000);
    let bmp = [b"BM".as_slice(), &[0; 64]].concat();
    // Judged by the header: nothing is decoded, and no memory is taken.
    assert!(bomb.len() < 1_000_000 && flat(11_000).len() < 1_000_000, "they are small as files");
    let most = 5 * 1024 * 1024;
    for (file, told) in [
        (svg.as_bytes(), "不是 JPEG 或 PNG"),
        (SCRIPT.as_bytes(), "不是 JPEG 或 PNG"),
        (b"%PDF-1.7\n", "不是 JPEG 或 PNG"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "不是 JPEG 或 PNG"),
        (&gif, "不是 JPEG 或 PNG"),
        (&bmp, "不是 JPEG 或 PNG"),
        (&archive(), "不是 JPEG 或 PNG"),
        (&lying, "打不开"),
        (&half, "打不开"),
        (&bomb, "像素"),
        (&flat(11_000), "像素"),
        (&flat(20), "太小"),
        (&vec![0xFF; most + 1], "超过 5 MB"),
        (&[picture(), vec![0; most]].concat(), "超过 5 MB"),
    ] {
        let answer = submits(&her, &PERSON, &[("picture1", file)]).await;
        assert_eq!((answer.status, answer.to()), (303, PAGE), "{told}");
        let page = her.sees(PAGE).await;
        assert!(page.contains(told), "{told}: {page}");
    }
    let stored = site.world.sql_as_superuser().await;
    assert_eq!(stored.count("SELECT count(*) FROM verification_pictures", &[]).await.unwrap(), 0);
    site.stop().await;
}

#[tokio::test]
async fn a_picture_that_is_something_else_as_well_is_kept_as_a_picture_only() {
    let site = TestSite::start().await;
    let (_owner, her) = merchant(&site).await;
    // A picture for one program, a page or an archive for another.
    let polyglot = [picture(), SCRIPT.as_bytes().to_vec(), archive()].concat();
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("evil.png");
    let names = [format!("../../../../../..{}", outside.display()), outside.display().to_string()];
    let mut body = Vec::new();
    for (field, name) in [("picture1", &names[0]), ("picture2", &names[1])] {
        let head = format!(
            "--b\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\ncontent-type: text/html\r\n\r\n"
        );
        body.extend(head.bytes().chain(polyglot.iter().copied()).chain(*b"\r\n"));
    }
    body.extend(multipart(&PERSON, &[]));
    let answer = her.post_body(PAGE, "multipart/form-data; boundary=b", body).await;
    assert_eq!((answer.status, answer.to()), (303, PAGE));
    assert!(her.sees(PAGE).await.contains("审核中。"));
    assert!(!outside.exists(), "a name is no place");

    let staff = reviewer(&site, "chen@operator.test", "陈审核").await;
    let case = only_case(&staff).await;
    staff.does(&format!("{case}/claim"), &[]).await;
    assert!(!staff.sees(&case).await.contains("evil.png"), "nobody reads what it was called");
    for position in [1, 2] {
        let path = format!("{case}/pictures/{position}");
        let answer = site.get(&path).header("cookie", staff.cookies()).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "image/jpeg");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let file = answer.bytes().await.unwrap();
        assert!(file.starts_with(&[0xFF, 0xD8, 0xFF]) && file.ends_with(&[0xFF, 0xD9]), "a JPEG from end to end");
        assert!(!file.windows(8).any(|part| part == b"<script>" || part.starts_with(b"PK\x03\x04")));
    }
    site.stop().await;
}

#[tokio::test]
async fn a_file_of_cards_is_known_by_a_name_that_does_nothing() {
    let site = TestSite::start().await;
    let owner = Browser::arranged(&site).await;
    owner.does("/console/pools", &[("name", "腾讯视频周卡"), ("low_stock_at", "")]).await;
    let pool = owner.sees("/console/pools").await;
    let pool = format!("/console/pools/pool_{}", kamiflow_test_support::between(&pool, "/console/pools/pool_", "\""));
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("evil.csv");
    for (count, name) in
        [format!("../../..{}", outside.display()), SCRIPT.replace('"', ""), "..\\..\\evil.csv".to_owned()]
            .iter()
            .enumerate()
    {
        let body = format!(
            "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nCARD-{count}-0001,{PASSWORD}\r\n--b--\r\n"
        );
        let answer =
            owner.post_body(&format!("{pool}/file"), "multipart/form-data; boundary=b", body.into_bytes()).await;
        assert!(answer.status == 200 || answer.status == 303, "{name}: {}", answer.status);
        for page in [answer.body, owner.sees(&pool).await, owner.sees("/console/audit").await] {
            assert!(!page.contains(SCRIPT), "{name}");
        }
    }
    let stored = site.world.sql_as_superuser().await;
    assert_eq!(
        stored.count("SELECT count(*) FROM cards", &[]).await.unwrap(),
        3,
        "they were read, whatever they are called"
    );
    assert!(!outside.exists(), "a name is no place");
    drop(owner);
    site.stop().await;
}

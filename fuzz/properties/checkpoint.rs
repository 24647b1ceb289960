//! A checkpoint fits the upload that it is of and no other, and never one whose parts S3 would refuse.

use std::collections::BTreeMap;

use reliable_r2::store::multipart::{CreateMultipart, MultipartUpload};
use reliable_r2::store::objects::ObjectRef;
use reliable_r2::store::{BucketName, ObjectHeader, ObjectHeaders, ObjectKey};
use reliable_r2::transfer::checkpoint::Checkpoint;
use reliable_r2::transfer::plan;

/// Two sizes of eight bytes each, then the fields, with a zero byte between them.
pub fn check(data: &[u8]) {
    let Some((sizes, rest)) = data.split_at_checked(16) else { return };
    let size = |at: usize| u64::from_be_bytes(sizes[at..at + 8].try_into().expect("eight bytes"));
    let (part_bytes, total) = (size(0), (size(8) != 0).then(|| size(8)));
    let mut fields = rest.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    let mut field = || fields.next().unwrap_or_default().into_owned();
    let (first, second) = (request(&mut field), request(&mut field));
    let (Some(first), Some(second)) = (first, second) else { return };

    let object = first.object.clone();
    let upload = MultipartUpload { object, upload_id: "an id".to_owned(), has_checksums: true };
    let checkpoint = Checkpoint::of(&upload, part_bytes, total, &first);
    let fits = checkpoint.fits(&first, total);
    assert_eq!(fits, plan::is_sound(part_bytes, total));
    if fits {
        assert!((plan::MIN_PART_BYTES..=plan::MAX_PART_BYTES).contains(&part_bytes));
        assert!(total.is_none_or(|total| total.div_ceil(part_bytes) <= plan::MAX_PARTS));
        assert!(!checkpoint.fits(&first, total.map_or(Some(1), |total| total.checked_add(1))), "another length");
        let same = first.object == second.object && first.headers == second.headers;
        assert_eq!(checkpoint.fits(&second, total), same, "{first:?} and {second:?}");
    }
    if let Some(total) = total.filter(|&total| total <= 5 << 40) {
        assert!(plan::is_sound(plan::part_bytes(Some(total), plan::MIN_PART_BYTES), Some(total)), "{total}");
    }
    for harmed in [
        Checkpoint { part_bytes: 0, ..checkpoint.clone() },
        Checkpoint { part_bytes: u64::MAX, ..checkpoint.clone() },
        Checkpoint { upload_id: String::new(), ..checkpoint.clone() },
        Checkpoint { fingerprint: String::new(), ..checkpoint.clone() },
    ] {
        assert!(!harmed.fits(&first, total), "{harmed:?}");
    }
}

fn request(field: &mut impl FnMut() -> String) -> Option<CreateMultipart> {
    let key = ObjectKey::parse(&field()).ok()?;
    let some = |text: String| (!text.is_empty()).then_some(text);
    let headers = ObjectHeaders {
        content_type: field(),
        values: some(field()).into_iter().map(|value| (ObjectHeader::ContentDisposition, value)).collect(),
        metadata: BTreeMap::from([(field(), field())]),
        ..ObjectHeaders::default()
    };
    Some(CreateMultipart { object: ObjectRef { bucket: BucketName::parse("pictures").ok()?, key }, headers })
}

//! The head of a request, as little of it as the sink must know.

/// What an S3 client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum S3Operation {
    /// `PutObject`.
    Put,
    Part {
        upload: String,
        number: u32,
    },
    CreateMultipart,
    CompleteMultipart {
        upload: String,
    },
    /// Of uploads that were begun: there are none. Some clients ask before they begin one.
    ListUploads,
    /// Any other `POST` and every `DELETE`: gets a response, and that is all.
    Other,
    /// So many bytes, for the benchmarks of downloads: `GET /…?bytes=N`.
    Get {
        bytes: u64,
    },
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    Known(u64),
    Chunked,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub operation: S3Operation,
    pub body: BodyLength,
    pub expects_continue: bool,
    pub close: bool,
    /// What `x-amz-checksum-crc64nvme` says.
    pub checksum: Option<String>,
    /// Without the query; for the responses that repeat the key.
    pub path: String,
}

const MAX_HEADERS: usize = 64;

/// A head at the beginning of `bytes`, and how long it is. `None` where it is not there whole.
///
/// # Errors
/// What is no HTTP/1.1 request.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes).map_err(|_| "not an HTTP request")? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let mut body = BodyLength::Known(0);
    let (mut expects_continue, mut close, mut checksum) = (false, false, None);
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let length = std::str::from_utf8(header.value).ok().and_then(|length| length.parse().ok());
            body = BodyLength::Known(length.ok_or("bad Content-Length")?);
        } else if is("transfer-encoding") {
            body = BodyLength::Chunked;
        } else if is("expect") {
            expects_continue = true;
        } else if is("x-amz-checksum-crc64nvme") {
            checksum = std::str::from_utf8(header.value).ok().map(str::to_owned);
        } else if is("connection") {
            close = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let operation = operation(request.method.unwrap_or_default(), query);
    Ok(Some((Head { operation, body, expects_continue, close, checksum, path: path.to_owned() }, length)))
}

fn operation(method: &str, query: &str) -> S3Operation {
    let find = |name: &str| {
        query.split('&').find_map(|pair| {
            let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
            (found == name).then_some(value)
        })
    };
    match (method, find("uploadId"), find("partNumber").and_then(|number| number.parse().ok())) {
        ("PUT", Some(upload), Some(number)) => S3Operation::Part { upload: upload.to_owned(), number },
        ("PUT", ..) => S3Operation::Put,
        ("POST", Some(upload), _) => S3Operation::CompleteMultipart { upload: upload.to_owned() },
        ("POST", ..) if find("uploads").is_some() => S3Operation::CreateMultipart,
        ("GET", ..) if find("uploads").is_some() => S3Operation::ListUploads,
        ("GET", ..) => S3Operation::Get { bytes: find("bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(0) },
        ("HEAD", ..) => S3Operation::Head,
        _ => S3Operation::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        parse(text.as_bytes()).expect("a request").expect("a whole head").0
    }

    #[test]
    fn distinguishes_operations() {
        let operation = |line: &str| head(&format!("{line} HTTP/1.1\r\n\r\n")).operation;
        assert_eq!(operation("PUT /b/k?x-id=PutObject"), S3Operation::Put);
        assert_eq!(
            operation("PUT /b/k?partNumber=2&uploadId=u"),
            S3Operation::Part { upload: "u".to_owned(), number: 2 }
        );
        assert_eq!(operation("POST /b/k?uploads"), S3Operation::CreateMultipart);
        assert_eq!(operation("POST /b/k?uploads="), S3Operation::CreateMultipart);
        assert_eq!(operation("POST /b/k?uploadId=u"), S3Operation::CompleteMultipart { upload: "u".to_owned() });
        assert_eq!(operation("GET /b?uploads&prefix=k"), S3Operation::ListUploads);
        assert_eq!(operation("GET /source?bytes=5"), S3Operation::Get { bytes: 5 });
        assert_eq!(operation("DELETE /b/k?uploadId=u"), S3Operation::Other);
    }

    #[test]
    fn reads_what_it_must_of_the_headers() {
        let text = "PUT /b/k HTTP/1.1\r\nContent-Length: 7\r\nexpect: 100-continue\r\n\r\nseven..";
        let (head, length) = parse(text.as_bytes()).expect("a request").expect("a whole head");
        assert_eq!((head.body, head.expects_continue, head.close), (BodyLength::Known(7), true, false));
        assert_eq!(&text[length..], "seven..");
        assert_eq!(parse(b"PUT /b/k HTTP/1.1\r\nConten"), Ok(None));
        assert!(parse(b"\x16\x03 no HTTP\r\n\r\n").is_err());
    }
}

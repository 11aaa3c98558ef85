//! Multipart bodies as cameras write them: every part a file with its own content type.

/// One file.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) filename: &'a str,
    pub(super) content_type: &'a str,
    pub(super) bytes: &'a [u8],
}

/// The files in their order. Names must hold no quotes and no line breaks.
pub(super) fn multipart(boundary: &str, files: &[File<'_>]) -> Vec<u8> {
    let size: usize = files.iter().map(|file| file.bytes.len() + 300).sum();
    let mut body = Vec::with_capacity(size + 100);
    for File {
        name,
        filename,
        content_type,
        bytes,
    } in files
    {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\n\
             Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

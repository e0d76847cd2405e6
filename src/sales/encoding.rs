//! Bytes to UTF-8, before anything else looks at them: the encoding is what the file says (a byte-order mark), else what
//! its bytes allow.

use std::io::{self, Read};

use encoding_rs::{
    CoderResult, Decoder, Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252,
};

/// Bytes that are decoded at once.
const CHUNK_BYTES: usize = 1 << 16;

/// How a file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoded {
    /// The encoding.
    pub(super) encoding: &'static Encoding,
    /// Bytes of its byte-order mark.
    pub(super) mark: usize,
}

impl Encoded {
    /// As reports say it.
    pub(super) fn name(self) -> &'static str {
        match self.encoding.name() {
            "UTF-8" if self.mark > 0 => "utf-8-sig",
            "UTF-8" => "utf-8",
            "UTF-16LE" => "utf-16le",
            "UTF-16BE" => "utf-16be",
            "Shift_JIS" => "windows-31j",
            "windows-1252" => "windows-1252",
            other => other,
        }
    }

    /// The bytes are UTF-8 already.
    pub(super) fn is_utf8(self) -> bool {
        self.encoding == UTF_8
    }
}

/// The encoding with this name, as profiles and users write it.
pub(super) fn named(name: &str) -> Option<Encoded> {
    let encoding = match name.trim().to_lowercase().as_str() {
        "utf-8-sig" => Some(UTF_8),
        "cp932" | "windows-31j" | "ms932" => Some(SHIFT_JIS),
        "cp1252" => Some(WINDOWS_1252),
        "utf-16" => Some(UTF_16LE),
        other => Encoding::for_label(other.as_bytes()),
    }?;
    Some(Encoded { encoding, mark: 0 })
}

/// What a mark or the pattern of zeros says; else UTF-8, until a byte says that it is not.
pub(super) fn first_guess(head: &[u8]) -> Encoded {
    if let Some((encoding, mark)) = Encoding::for_bom(head) {
        return Encoded { encoding, mark };
    }
    let zeros = |parity: usize| {
        let half = head.iter().skip(parity).step_by(2);
        let n_zero = half.clone().filter(|byte| **byte == 0).count();
        n_zero * 2 > half.count()
    };
    let encoding = if head.len() < 4 {
        UTF_8
    } else if zeros(1) && !zeros(0) {
        UTF_16LE
    } else if zeros(0) && !zeros(1) {
        UTF_16BE
    } else {
        UTF_8
    };
    Encoded { encoding, mark: 0 }
}

/// For bytes that are not UTF-8: Japanese if all of them decode so and something Japanese is in them, else Western.
///
/// # Errors
/// If the bytes cannot be read.
pub(super) fn second_guess(mut source: impl Read) -> io::Result<Encoded> {
    let mut decoder = SHIFT_JIS.new_decoder_without_bom_handling();
    let (mut raw, mut text) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES * 3 + 16]);
    let mut japanese = false;
    let western = Encoded {
        encoding: WINDOWS_1252,
        mark: 0,
    };
    loop {
        let n_raw = source.read(&mut raw)?;
        let input = raw.get(..n_raw).unwrap_or_default();
        let (_, _, n_text, failed) = decoder.decode_to_utf8(input, &mut text, n_raw == 0);
        if failed {
            return Ok(western);
        }
        let found = String::from_utf8_lossy(text.get(..n_text).unwrap_or_default());
        japanese |= found
            .contains(|c| matches!(c, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}'))
            || found.contains("co.jp")
            || found.contains("JPY");
        if n_raw == 0 {
            let encoding = if japanese { SHIFT_JIS } else { WINDOWS_1252 };
            return Ok(Encoded { encoding, mark: 0 });
        }
    }
}

/// Reads UTF-8 from bytes in another encoding. What cannot be decoded becomes U+FFFD.
pub(super) struct Decoded<R> {
    source: R,
    decoder: Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    raw_end: usize,
    text: Vec<u8>,
    text_at: usize,
    text_end: usize,
    ended: bool,
    done: bool,
}

impl<R: Read> Decoded<R> {
    /// The source begins after its mark.
    pub(super) fn new(source: R, encoding: &'static Encoding) -> Self {
        Self {
            source,
            decoder: encoding.new_decoder_without_bom_handling(),
            raw: vec![0; CHUNK_BYTES],
            raw_at: 0,
            raw_end: 0,
            text: vec![0; CHUNK_BYTES * 3 + 16],
            text_at: 0,
            text_end: 0,
            ended: false,
            done: false,
        }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        if self.raw_at == self.raw_end && !self.ended {
            self.raw_end = self.source.read(&mut self.raw)?;
            self.raw_at = 0;
            self.ended = self.raw_end == 0;
        }
        let input = self.raw.get(self.raw_at..self.raw_end).unwrap_or_default();
        let (result, n_raw, n_text, _) =
            self.decoder
                .decode_to_utf8(input, &mut self.text, self.ended);
        self.raw_at += n_raw;
        self.text_at = 0;
        self.text_end = n_text;
        self.done = self.ended && result == CoderResult::InputEmpty;
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.text_at == self.text_end {
            if self.done {
                return Ok(0);
            }
            self.decode_more()?;
        }
        let mut rest = self
            .text
            .get(self.text_at..self.text_end)
            .unwrap_or_default();
        let n = rest.read(into)?;
        self.text_at += n;
        Ok(n)
    }
}

/// Ends every line with LF, whatever it ended with.
pub(super) struct LineEnds<R> {
    source: R,
    block: Vec<u8>,
    at: usize,
    end: usize,
    /// The last byte was a CR; an LF after it belongs to it.
    returned: bool,
}

impl<R: Read> LineEnds<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            block: vec![0; CHUNK_BYTES],
            at: 0,
            end: 0,
            returned: false,
        }
    }

    /// The next bytes; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let n_read = self.source.read(&mut self.block)?;
        let mut kept = 0;
        for idx in 0..n_read {
            let byte = self.block.get(idx).copied().unwrap_or_default();
            let after_return = std::mem::replace(&mut self.returned, byte == b'\r');
            if byte == b'\n' && after_return {
                continue;
            }
            if let Some(slot) = self.block.get_mut(kept) {
                *slot = if byte == b'\r' { b'\n' } else { byte };
            }
            kept += 1;
        }
        (self.at, self.end) = (0, kept);
        Ok(n_read > 0)
    }
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.end {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let mut rest = self.block.get(self.at..self.end).unwrap_or_default();
        let n = rest.read(into)?;
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at once.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(into.len()).min(self.0.len());
            let mut part = &self.0[..n];
            let read = part.read(into)?;
            self.0 = &self.0[read..];
            Ok(read)
        }
    }

    #[track_caller]
    fn ends(text: &str, expected: &str) {
        for drip in [1, 2, 3, 7, 100] {
            let mut found = String::new();
            LineEnds::new(Drip(text.as_bytes(), drip))
                .read_to_string(&mut found)
                .unwrap();
            assert_eq!(found, expected, "{text:?} by {drip}");
        }
    }

    #[test]
    fn a_lone_return_ends_a_line() {
        ends("a\rb\r\nc\nd\r", "a\nb\nc\nd\n");
        ends("\r\r\n\r", "\n\n\n");
        ends("plain", "plain");
    }

    #[test]
    fn encodings_are_told_by_mark_zeros_and_what_decodes() {
        for (bytes, name) in [
            (&b"\xef\xbb\xbfa,b"[..], "utf-8-sig"),
            (b"\xff\xfea\0b\0", "utf-16le"),
            (b"\xfe\xff\0a\0b", "utf-16be"),
            (b"a\0b\0c\0d\0", "utf-16le"),
            (b"\0a\0b\0c\0d", "utf-16be"),
            (b"abc", "utf-8"),
            (b"", "utf-8"),
        ] {
            assert_eq!(first_guess(bytes).name(), name, "{bytes:?}");
        }
        let (japanese, ..) = SHIFT_JIS.encode("赤いマグ,Amazon.co.jp");
        assert_eq!(second_guess(&japanese[..]).unwrap().name(), "windows-31j");
        let (german, ..) = WINDOWS_1252.encode("Größe;Stück");
        assert_eq!(second_guess(&german[..]).unwrap().name(), "windows-1252");
    }

    #[test]
    fn text_is_decoded_across_chunks() {
        let text = "größe 表①\n".repeat(9_000);
        for encoding in [SHIFT_JIS, WINDOWS_1252] {
            let (bytes, _, unmapped) = encoding.encode(&text);
            let mut found = String::new();
            Decoded::new(Drip(&bytes, 13), encoding)
                .read_to_string(&mut found)
                .unwrap();
            let (whole, _) = encoding.decode_without_bom_handling(&bytes);
            assert_eq!(found, whole, "{unmapped}");
        }
    }
}

//! Bytes of a table: gzip and byte-order marks recognised, sizes held under the limits.

use std::fmt;
use std::io::{self, Chain, Cursor, Read};

use crate::ingest::options::Limits;

/// Decompressed bytes before the ratio of compression is looked at: short files may be very even.
const RATIO_FROM: u64 = 16 << 20;

/// Why reading stopped, in words that hold no cell value.
#[derive(Debug)]
pub(super) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn refused(message: impl Into<String>) -> io::Error {
    io::Error::other(Refused(message.into()))
}

/// A reader with its first bytes put back in front.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

enum Body<R: Read> {
    Plain(Whole<R>),
    #[cfg(feature = "gzip")]
    Gzip(Box<flate2::read::MultiGzDecoder<Counted<Whole<R>>>>),
}

/// The decompressed bytes of a table.
pub(super) struct Source<R: Read> {
    body: Body<R>,
    front: Cursor<Vec<u8>>,
    total: u64,
    since_record: u64,
    limits: Limits,
}

impl<R: Read> Source<R> {
    /// Looks at the first bytes of `reader`.
    pub(super) fn new(mut reader: R, limits: Limits) -> io::Result<Self> {
        let head = first_bytes(&mut reader, 4)?;
        let gzip = head.starts_with(&[0x1f, 0x8b]);
        if head.starts_with(b"PK\x03\x04") {
            return Err(refused(
                "the file is a zip archive or a spreadsheet; expected delimited text, plain or gzip",
            ));
        }
        let whole = Cursor::new(head).chain(reader);
        let mut body = if gzip {
            unpack(whole)?
        } else {
            Body::Plain(whole)
        };
        let mut front = first_bytes(&mut body, 3)?;
        if front.starts_with(&[0xef, 0xbb, 0xbf]) {
            front.clear();
        } else if front.starts_with(&[0xff, 0xfe]) || front.starts_with(&[0xfe, 0xff]) {
            return Err(refused("the text is UTF-16; expected UTF-8"));
        }
        Ok(Self {
            body,
            front: Cursor::new(front),
            total: 0,
            since_record: 0,
            limits,
        })
    }

    /// Says that a record was completed.
    pub(super) fn record_done(&mut self) {
        self.since_record = 0;
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut n = self.front.read(buffer)?;
        if n == 0 {
            n = self.body.read(buffer)?;
        }
        self.total += n as u64;
        self.since_record += n as u64;
        if self.total > self.limits.max_bytes {
            return Err(refused(format!(
                "the table is larger than the limit of {} bytes",
                self.limits.max_bytes
            )));
        }
        if self.since_record
            > self
                .limits
                .max_record_bytes
                .saturating_add(buffer.len() as u64)
        {
            return Err(refused(format!(
                "no end of the row within the limit of {} bytes; expected every quote to be closed",
                self.limits.max_record_bytes
            )));
        }
        if let Some(packed) = self.body.packed_bytes()
            && self.total > RATIO_FROM
            && self.total / packed.max(1) > u64::from(self.limits.max_ratio)
        {
            return Err(refused(format!(
                "the compressed data expand more than {} times",
                self.limits.max_ratio
            )));
        }
        Ok(n)
    }
}

impl<R: Read> Body<R> {
    /// Compressed bytes read so far.
    fn packed_bytes(&self) -> Option<u64> {
        match self {
            Self::Plain(_) => None,
            #[cfg(feature = "gzip")]
            Self::Gzip(decoder) => Some(decoder.get_ref().bytes),
        }
    }
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            #[cfg(feature = "gzip")]
            Self::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(feature = "gzip")]
fn unpack<R: Read>(whole: Whole<R>) -> io::Result<Body<R>> {
    let counted = Counted {
        reader: whole,
        bytes: 0,
    };
    Ok(Body::Gzip(Box::new(flate2::read::MultiGzDecoder::new(
        counted,
    ))))
}

#[cfg(not(feature = "gzip"))]
fn unpack<R: Read>(_: Whole<R>) -> io::Result<Body<R>> {
    Err(refused(
        "the file is compressed with gzip; expected plain text (the feature `gzip` is off)",
    ))
}

/// A reader that counts its bytes.
#[cfg(feature = "gzip")]
struct Counted<R> {
    reader: R,
    bytes: u64,
}

#[cfg(feature = "gzip")]
impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.bytes += n as u64;
        Ok(n)
    }
}

/// Up to `n` bytes, fewer only at the end.
fn first_bytes(reader: &mut impl Read, n: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(n).read_to_end(&mut bytes)?;
    Ok(bytes)
}

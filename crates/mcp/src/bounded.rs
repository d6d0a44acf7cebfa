//! Lines of a length that can be kept.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// Passes on what it reads, and fails when a line grows longer than it may: whoever collects it would run out of memory.
pub(crate) struct Bounded<R> {
    from: R,
    most: usize,
    /// Bytes of the line so far.
    line: usize,
}

impl<R> Bounded<R> {
    pub fn new(from: R, most: usize) -> Self {
        Self { from, most, line: 0 }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.from).poll_read(context, buffer))?;
        let read = &buffer.filled()[before..];
        self.line = match read.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => read.len() - at - 1,
            None => self.line + read.len(),
        };
        if self.line > self.most {
            let message = format!("a line has more than {} bytes", self.most);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    /// Reads all through a small buffer.
    async fn read(bytes: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let mut bounded = Bounded::new(bytes, most);
        let mut all = Vec::new();
        loop {
            let mut space = [0; 3];
            let mut buffer = ReadBuf::new(&mut space);
            poll_fn(|context| Pin::new(&mut bounded).poll_read(context, &mut buffer)).await?;
            if buffer.filled().is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(buffer.filled());
        }
    }

    #[tokio::test]
    async fn lines_pass_and_endless_ones_fail() {
        let text = b"12345\n\n1234567\n12";
        assert_eq!(read(text, 9).await.unwrap(), text);
        assert!(read(b"1\n1234567890123", 9).await.unwrap_err().to_string().contains("9 bytes"));
        assert_eq!(read(b"", 9).await.unwrap(), b"");
    }
}

//! The first exchange with whoever dialled.

use tokio::time::{Duration, timeout};
use wire::{FrameError, Hello, Refusal, RefusalCode, ToInbound, ToOutbound, VERSION};

use crate::{
    socket::{STEP, WanReader, WanWriter},
    wan::{FrameReader, FrameWriter, ReadError},
};

/// A last message that does not leave in this time is not worth waiting for.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection whose hello was read.
pub(super) struct Greeting {
    pub(super) reader: FrameReader<WanReader>,
    pub(super) writer: FrameWriter<WanWriter>,
    pub(super) hello: Hello,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum GreetingError {
    #[error("no hello came in time")]
    Late,
    #[error("read the hello")]
    Read(#[from] ReadError),
    #[error("read the hello")]
    Message(#[from] FrameError),
    #[error("the first message was not a hello")]
    NotHello,
    #[error("it speaks version {0} of the protocol")]
    Version(u16),
}

pub(super) async fn greeting(read: WanReader, write: WanWriter) -> Result<Greeting, GreetingError> {
    let mut reader = FrameReader::for_messages(read);
    let mut writer = FrameWriter::new(write);
    let frame = timeout(STEP, reader.next()).await;
    let frame = frame.map_err(|_elapsed| GreetingError::Late)??;
    let hello = match ToOutbound::read(frame)? {
        ToOutbound::Hello(hello) => hello,
        ToOutbound::Received(_)
        | ToOutbound::Applied(_)
        | ToOutbound::Promoted { .. }
        | ToOutbound::Heartbeat(_) => return Err(GreetingError::NotHello),
    };
    if hello.version != VERSION {
        let why = format!(
            "this side speaks version {VERSION} of the protocol, yours speaks version {}; run the same release on both sides",
            hello.version
        );
        refuse(&mut writer, Refusal::new(RefusalCode::WrongVersion, why)).await;
        return Err(GreetingError::Version(hello.version));
    }
    Ok(Greeting {
        reader,
        writer,
        hello,
    })
}

/// Says why, if that can still be said.
pub(super) async fn refuse(writer: &mut FrameWriter<WanWriter>, refusal: Refusal) {
    if writer.is_whole() {
        let frame = ToInbound::Refused(refusal).encode();
        let sent = timeout(FAREWELL, writer.send_now(&frame)).await;
        tracing::trace!(sent = matches!(sent, Ok(Ok(()))), "said farewell");
    }
}

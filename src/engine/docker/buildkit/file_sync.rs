//! Sends folders to BuildKit: fsutil's protocol, in which we list what there is and the other side asks for the
//! files that it has not got (BuildKit `session/filesync`).

use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status, Streaming};

use super::super::trouble::Trouble;
use super::selection::Selection;
use crate::engine::context::{Changed, Context, Entry, Kind, change_behind};

/// Bytes of a file in one packet, as fsutil's own sender has it.
const CHUNK: usize = 32 * 1024;
/// How many packets wait for the connection: what bounds the memory that a file of any size takes.
const PACKETS_WAITING: usize = 16;

/// The folders that a build may read.
pub(super) struct Folders {
    pub(super) context: Arc<Context>,
    pub(super) dockerfile: Arc<Context>,
    pub(super) trouble: Trouble,
}

#[tonic::async_trait]
impl FileSync for Folders {
    type DiffCopyStream = Sending;
    type TarStreamStream = Sending;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Sending>, Status> {
        let folder = match request.metadata().get("dir-name").map(|name| name.as_bytes()) {
            Some(b"context") => Arc::clone(&self.context),
            Some(b"dockerfile") => Arc::clone(&self.dockerfile),
            _ => return Err(Status::not_found("this build has the folders `context` and `dockerfile` alone")),
        };
        let selection = Selection::of(request.metadata());
        let trouble = self.trouble.clone();
        let (packets, outgoing) = mpsc::channel(PACKETS_WAITING);
        let (wishes, wished) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(hear(request.into_inner(), wishes));
        // It can't be aborted, and ends when the other end of either channel is gone.
        tasks.spawn_blocking(move || send(&folder, &selection, wished, &packets, &trouble));
        Ok(Response::new(Sending { packets: outgoing, _tasks: tasks }))
    }

    async fn tar_stream(&self, _request: Request<Streaming<Packet>>) -> Result<Response<Sending>, Status> {
        Err(Status::unimplemented("folders are sent by DiffCopy"))
    }
}

/// The packets of one transfer; dropping it ends the transfer.
pub(super) struct Sending {
    packets: mpsc::Receiver<Result<Packet, Status>>,
    _tasks: JoinSet<()>,
}

impl Stream for Sending {
    type Item = Result<Packet, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        self.packets.poll_recv(cx)
    }
}

/// What the other side wants.
enum Wish {
    /// The content of the entry with this number.
    File(u32),
    /// The end: it has all that it wants.
    End,
}

async fn hear(mut packets: Streaming<Packet>, wishes: mpsc::UnboundedSender<Wish>) {
    // An error ends the transfer as the end of the stream does: there is nobody left to send to.
    while let Ok(Some(packet)) = packets.message().await {
        let wish = match packet.r#type() {
            PacketType::PacketReq => Wish::File(packet.id),
            PacketType::PacketFin => Wish::End,
            PacketType::PacketStat | PacketType::PacketData => continue,
            PacketType::PacketErr => return,
        };
        if wishes.send(wish).is_err() {
            return;
        }
    }
}

/// Why nothing more is sent.
enum Stop {
    /// The other side went away.
    Gone,
    /// The folder is not as it was.
    Changed(Changed),
}

fn send(
    folder: &Context,
    selection: &Selection,
    wished: mpsc::UnboundedReceiver<Wish>,
    packets: &mpsc::Sender<Result<Packet, Status>>,
    trouble: &Trouble,
) {
    match try_to_send(folder, selection, wished, packets) {
        Ok(()) | Err(Stop::Gone) => {}
        Err(Stop::Changed(changed)) => {
            // Whether it arrives does not matter: the build fails by the trouble.
            let _sent = packets.blocking_send(Err(Status::aborted(changed.to_string())));
            trouble.tell(changed);
        }
    }
}

fn try_to_send(
    folder: &Context,
    selection: &Selection,
    mut wished: mpsc::UnboundedReceiver<Wish>,
    packets: &mpsc::Sender<Result<Packet, Status>>,
) -> Result<(), Stop> {
    let say = |packet| packets.blocking_send(Ok(packet)).map_err(|_| Stop::Gone);
    let entries: Vec<&Entry> = selection.select(folder.entries());
    for entry in &entries {
        say(Packet { stat: Some(stat(entry, folder.mtime)), ..packet(PacketType::PacketStat, 0) })?;
    }
    say(packet(PacketType::PacketStat, 0))?;
    let mut reader = folder.reader();
    let mut buffer = vec![0; CHUNK];
    while let Some(wish) = wished.blocking_recv() {
        let Wish::File(id) = wish else { return say(packet(PacketType::PacketFin, 0)) };
        let Some(entry) = entries.get(id as usize) else { continue };
        let mut content = reader.open(entry).map_err(Stop::Changed)?;
        loop {
            let n_read = content.read(&mut buffer).map_err(|error| Stop::Changed(change_behind(entry, &error)))?;
            // A packet without bytes ends a file.
            say(Packet { data: buffer[..n_read].to_vec(), ..packet(PacketType::PacketData, id) })?;
            if n_read == 0 {
                break;
            }
        }
    }
    Err(Stop::Gone)
}

fn packet(kind: PacketType, id: u32) -> Packet {
    Packet { r#type: kind.into(), id, stat: None, data: Vec::new() }
}

/// Go's `FileMode` bits (Go standard library, `io/fs`).
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_STICKY: u32 = 1 << 20;

fn go_mode(entry: &Entry) -> u32 {
    let mode = entry.mode();
    let flag = |bit: u32, go: u32| if mode & bit == 0 { 0 } else { go };
    let special = flag(0o4000, GO_SETUID) | flag(0o2000, GO_SETGID) | flag(0o1000, GO_STICKY);
    let kind = match &entry.kind {
        Kind::Directory => GO_DIRECTORY,
        Kind::Symlink { .. } => GO_SYMLINK,
        Kind::File { .. } | Kind::Injected(_) => 0,
    };
    kind | special | mode & 0o777
}

fn stat(entry: &Entry, mtime: u64) -> Stat {
    let (uid, gid) = entry.owner();
    let linkname = match &entry.kind {
        Kind::Symlink { target } => target.clone(),
        Kind::Directory | Kind::File { .. } | Kind::Injected(_) => String::new(),
    };
    Stat {
        path: entry.path.as_str().to_owned(),
        mode: go_mode(entry),
        uid,
        gid,
        size: i64::try_from(entry.size()).unwrap_or(i64::MAX),
        mod_time: i64::try_from(mtime).unwrap_or(i64::MAX).saturating_mul(1_000_000_000),
        linkname,
        ..Stat::default()
    }
}

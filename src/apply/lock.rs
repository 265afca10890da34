//! One run at a time for a project. The kernel frees the lock of a run that is killed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::engine_lock::{self, Name};
use crate::model::ProjectName;

/// How often the file is read again while it names nobody, or somebody who has ended, and how long is waited between. Who
/// takes the lock says at once who it is; arbitrary above that. A process of another namespace is named in the end too.
const READ_AT_MOST: usize = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    /// Given back before the file: who has that by then has both.
    name: Name,
    file: Flock<File>,
}

impl Drop for Lock {
    /// Who takes it next is not taken for this one before it has said who it is.
    fn drop(&mut self) {
        // Where that can't be done the file names a run that has ended.
        let _named = self.file.set_len(0);
    }
}

/// A lock that was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("another run works on `{project}`{}", pid.map_or_else(String::new, |pid| format!(": process {pid}")))]
    Held {
        /// The project.
        project: ProjectName,
        /// The process that has it, where it has said so yet.
        pid: Option<u32>,
    },
    /// The file can't be written.
    #[error("the lock `{path}` can't be taken")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
}

impl Lock {
    /// Takes the lock of a project on the engine at an address, or says at once who has it. The project's folder has to be there;
    /// a run that keeps its state in another one is seen too where it is one of this machine.
    ///
    /// # Errors
    /// When another run has it, or the file can't be written.
    pub fn take(folder: &Path, address: &str, project: &ProjectName) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let failed = |error: std::io::Error| LockError::File { path: path.display().to_string(), error };
        // The file stays when the lock is given back: who removes it would let two runs lock two files of one name.
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let (mut file, mut n_read) = (file.map_err(failed)?, 0);
        let file = loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut lock) => {
                    let write = |file: &mut File| {
                        file.set_len(0)?;
                        file.rewind()?;
                        writeln!(file, "{}", std::process::id())
                    };
                    write(&mut lock).map_err(failed)?;
                    break lock;
                }
                Err((file, Errno::EWOULDBLOCK)) => file,
                Err((_, errno)) => return Err(failed(errno.into())),
            };
            let mut text = String::new();
            file.rewind().and_then(|()| file.read_to_string(&mut text)).map_err(failed)?;
            n_read += 1;
            let pid = text.trim().parse().ok();
            if pid.is_some_and(runs) || n_read == READ_AT_MOST {
                return Err(LockError::Held { project: project.clone(), pid });
            }
            std::thread::sleep(PAUSE);
        };
        let lock = Self { name: engine_lock::take(address, project), file };
        match lock.name {
            Name::Held(pid) => Err(LockError::Held { project: project.clone(), pid }),
            Name::Ours(_) | Name::Unknown => Ok(lock),
        }
    }
}

/// Whether there is such a process.
fn runs(pid: u32) -> bool {
    // One of somebody else's may not be signalled, and is there.
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}

//! One run at a time for a project. The kernel frees the lock of a run that is killed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::model::ProjectName;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "what is held is the lock that it has")] Flock<File>);

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
    /// Takes the lock of a project, whose folder has to be there, or says at once who has it.
    ///
    /// # Errors
    /// When another run has it, or the file can't be written.
    pub fn take(folder: &Path, project: &ProjectName) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let failed = |error: std::io::Error| LockError::File { path: path.display().to_string(), error };
        // The file stays when the lock is given back: who removes it would let two runs lock two files of one name.
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        match Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                let write = |file: &mut File| {
                    file.set_len(0)?;
                    file.rewind()?;
                    writeln!(file, "{}", std::process::id())
                };
                write(&mut lock).map_err(failed)?;
                Ok(Self(lock))
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(failed)?;
                Err(LockError::Held { project: project.clone(), pid: text.trim().parse().ok() })
            }
            Err((_, errno)) => Err(failed(errno.into())),
        }
    }
}

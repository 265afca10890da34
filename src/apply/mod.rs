//! Makes a host match a deploy manifest. `diff` decides, the rest acts.
//!
//! The only durable state is in labels on the engine's objects. Whatever was interrupted is found again in them, so a
//! run may be killed after any call, and the next one goes on from what it finds.

mod cause;
mod desired;
mod diff;
mod docker_host;
mod engine_lock;
mod execute;
mod files;
pub mod gc;
mod history;
mod host;
mod hosts_file;
mod lock;
mod progress;
mod pulled;
mod simulated;
mod state;
mod status;
mod step;
pub mod undo;

pub use cause::{Cause, Claim, StopsFirst};
pub use desired::{Desired, DesiredContainer, DesiredError, DesiredImage, SpecHash};
pub use diff::{Emptying, Refusal, diff};
pub use docker_host::DockerHost;
pub use execute::{Error, Former, StepFailure, converge, execute};
pub use files::{Known, Live};
pub use history::{History, host_folder};
pub use host::{Host, HostError};
pub use hosts_file::{host_names, with_block};
pub use lock::{Lock, LockError};
pub use pulled::{Noting, Pulled};
pub use simulated::{Behaviour, Fault, SimulatedContainer, SimulatedHost, World};
pub use state::{
    Endpoint, Health, HostState, LABEL_CONTAINER, LABEL_KEEP, LABEL_PROJECT, LABEL_SERIAL, LABEL_SPEC,
    ObservedContainer, ObservedNetwork, RunState,
};
pub use status::{ContainerStatus, Verdict, status};
pub use step::{Action, After, Creation, EngineMount, Goal, NewFile, Step, Wait};

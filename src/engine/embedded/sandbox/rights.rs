//! Which capabilities a command has.

use anyhow::{Context as _, bail};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{CapabilitySet, capability_is_in_bounding_set, remove_capability_from_bounding_set};

use super::command::Command;

/// What Docker leaves to a container's root (moby `oci/caps/defaults.go`).
pub(super) const USUAL: CapabilitySet = CapabilitySet::AUDIT_WRITE
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SYS_CHROOT);

/// The capabilities that a command is left with.
pub(super) fn of(command: &Command) -> anyhow::Result<CapabilitySet> {
    if command.privileged {
        return Ok(CapabilitySet::from_bits_retain(!0));
    }
    command.capabilities.iter().try_fold(USUAL, |all, name| {
        let plain = name.strip_prefix("CAP_").unwrap_or(name);
        match plain {
            "ALL" => Ok(CapabilitySet::from_bits_retain(!0)),
            _ => match CapabilitySet::from_name(plain) {
                Some(one) => Ok(all | one),
                None => bail!("there is no capability `{name}`"),
            },
        }
    })
}

/// Makes this process, which must have one thread, what the command is to be. The kernel works out the rest at the
/// next exec: what is not in the bounding set is gone, and who is not root has nothing.
pub(super) fn take_on(command: &Command, may_set_groups: bool) -> anyhow::Result<()> {
    let kept = of(command)?;
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        // The kernel refuses the numbers that it does not know: those are above the last that it does.
        let Ok(is_there) = capability_is_in_bounding_set(one) else { break };
        if is_there && !kept.contains(one) {
            remove_capability_from_bounding_set(one).context("giving a capability up")?;
        }
    }
    let user = &command.user;
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    if may_set_groups {
        setgroups(&groups).with_context(|| format!("taking on the groups {:?}", user.groups))?;
    }
    let (gid, uid) = (Gid::from_raw(user.gid), Uid::from_raw(user.uid));
    setresgid(gid, gid, gid).with_context(|| format!("taking on the group {gid}"))?;
    setresuid(uid, uid, uid).with_context(|| format!("taking on the user {uid}"))?;
    Ok(())
}

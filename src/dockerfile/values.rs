//! What BuildKit checks of words once their variables are expanded: ports and signals.

/// Whether a text is a port as `EXPOSE` takes it: `[[ADDRESS:]HOST:]PORT[-PORT][/PROTOCOL]`.
pub(super) fn is_port(text: &str) -> bool {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    let protocol_is_known = ["", "tcp", "udp", "sctp"].iter().any(|known| protocol.eq_ignore_ascii_case(known));
    let mut parts = ports.rsplitn(3, ':');
    let container = parts.next().and_then(range);
    let host = parts.next().filter(|host| !host.is_empty()).map(range);
    let address = parts.next().unwrap_or_default();
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address_is_good = bare.is_empty() || bare.parse::<std::net::IpAddr>().is_ok();
    // A range of host ports serves a single port of the container, too.
    let lengths_agree = match (container, host) {
        (Some(container), Some(Some(host))) => container == host || container == 0,
        (Some(_), None) => true,
        (None, _) | (_, Some(None)) => false,
    };
    protocol_is_known && address_is_good && lengths_agree
}

/// How many ports follow the first one of a range.
fn range(text: &str) -> Option<u16> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    last.parse::<u16>().ok()?.checked_sub(first.parse().ok()?)
}

/// The signals of Linux without `SIG` (moby/sys/signal).
const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// Whether a text is a signal: a number, or a name in any case, with or without `SIG`.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    // Of the real-time signals there are `RTMIN+0` to `RTMIN+15` and `RTMAX-14` to `RTMAX-1`.
    let real_time = |prefix, most: u8| {
        name.strip_prefix(prefix).and_then(|n| n.parse::<u8>().ok()).is_some_and(|n| (1..=most).contains(&n))
    };
    SIGNALS.contains(&name) || real_time("RTMIN+", 15) || real_time("RTMAX-", 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_what_docker_takes() {
        for good in
            ["80", "0", "80/tcp", "80/UDP", "80-90", "1.2.3.4:80:80", "80:81", "[::1]:80:80", ":80", "9000-9010:1"]
        {
            assert!(is_port(good), "{good}");
        }
        for bad in ["", "abc", "70000", "80/xyz", "9-1", "80-", "-80", "x:80:80", "80:", "1-2:3-5", "80:x", "80 "] {
            assert!(!is_port(bad), "{bad}");
        }
    }

    #[test]
    fn signals_are_what_docker_takes() {
        for good in ["9", "SIGTERM", "sigterm", "TERM", "SIGRTMIN+3", "RTMAX-1", "SIGWINCH"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["", "0", "xyz", "SIGSIGTERM", "RTMIN+16", "RTMIN+0x1"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }
}

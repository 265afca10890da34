//! The names of containers in the host's file of host names: a block of our own for each project, all else as it is. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::desired::Desired;
use super::state::HostState;
use crate::model::ProjectName;

/// The names that the host shall find containers by, with the addresses of those that run.
pub fn host_names(desired: &Desired, observed: &HostState) -> BTreeMap<String, IpAddr> {
    let named = desired.containers.iter().filter(|(name, wanted)| **name == wanted.of);
    let named = named.filter_map(|(name, wanted)| {
        let found = observed.containers.get(&desired.engine_name(name)).filter(|found| found.run.is_active())?;
        let mut addresses = found.networks.values().flat_map(|endpoint| &endpoint.addresses);
        Some((wanted, *addresses.next()?))
    });
    named.flat_map(|(wanted, address)| wanted.spec.hosts_file.iter().map(move |name| (name.clone(), address))).collect()
}

/// A text of host names with the project's block as it shall be; without names there is none. A block that was cut off
/// ends where the next one begins, or with the text.
pub fn with_block(text: &str, project: &ProjectName, names: &BTreeMap<String, IpAddr>) -> String {
    let (begin, end) = (format!("# windlass {project}: begin"), format!("# windlass {project}: end"));
    let mut kept = String::new();
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        let plain = line.trim_end();
        let is_other = plain.starts_with("# windlass ") && plain != begin && plain != end;
        is_inside = plain == begin || (is_inside && !is_other);
        if !is_inside {
            kept.push_str(line);
        }
        is_inside &= plain != end;
    }
    if names.is_empty() {
        return kept;
    }
    if !kept.is_empty() && !kept.ends_with('\n') {
        kept.push('\n');
    }
    let lines: Vec<String> = names.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
    format!("{kept}{begin}\n{}{end}\n", lines.concat())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn block(text: &str, project: &str, names: &[(&str, &str)]) -> String {
        let names = names.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap())).collect();
        with_block(text, &project.parse().unwrap(), &names)
    }

    #[test]
    fn a_block_is_ours_and_the_rest_is_not() {
        let before = "127.0.0.1\tlocalhost\n# by hand";
        let one = block(before, "shop", &[("web.test", "172.18.0.3"), ("db.test", "172.18.0.2")]);
        let both = block(&one, "other", &[("x.test", "fd00::2")]);
        expect![[r#"
            127.0.0.1	localhost
            # by hand
            # windlass shop: begin
            172.18.0.2 db.test
            172.18.0.3 web.test
            # windlass shop: end
            # windlass other: begin
            fd00::2 x.test
            # windlass other: end
        "#]]
        .assert_eq(&both);
        assert_eq!(block(&both, "other", &[("x.test", "fd00::2")]), both, "the same is the same");
        assert_eq!(block(&block(&both, "other", &[]), "shop", &[]), format!("{before}\n"), "nothing is left of it");
        let cut = both.replace("# windlass shop: end\n", "");
        assert_eq!(
            block(&cut, "shop", &[]),
            format!(
                "{before}\n{}",
                both.rsplit_once("end\n# windlass other").map(|(_, rest)| format!("# windlass other{rest}")).unwrap()
            )
        );
    }
}

//! What instructions make of an image's configuration (OCI image specification, "Image Configuration"; Docker's
//! extensions to it; moby/buildkit, `dockerfile2llb`).

use crate::dockerfile::{CommandLine, CommandText, Healthcheck, Step};
use crate::engine::embedded::images::{Empty, Healthcheck as HealthConfig, ImageConfig};
use crate::model::Platform;

/// The shell where an image names none.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The configuration of an image that nothing was said of (BuildKit, `emptyImage`).
pub(super) fn of_nothing(platform: &Platform) -> ImageConfig {
    let mut config = ImageConfig::scratch(platform);
    "/".clone_into(&mut config.config.working_dir);
    config
}

/// The variables of an image.
pub(super) fn environment(config: &ImageConfig) -> impl Iterator<Item = (&str, &str)> {
    config.config.env.iter().map(|variable| variable.split_once('=').unwrap_or((variable, "")))
}

/// Sets a variable of an image, in the place that it has.
pub(super) fn set_env(config: &mut ImageConfig, name: &str, value: &str) {
    let line = format!("{name}={value}");
    let known = config.config.env.iter_mut().find(|variable| variable.split('=').next() == Some(name));
    match known {
        Some(variable) => *variable = line,
        None => config.config.env.push(line),
    }
}

/// The words that run a command: a text is given to the image's shell.
pub(super) fn words(config: &ImageConfig, command: &CommandText) -> Vec<String> {
    match command {
        CommandText::Exec(words) => words.clone(),
        CommandText::Shell(text) => {
            let shell = config.config.shell.clone().unwrap_or_else(|| SHELL.map(str::to_owned).to_vec());
            shell.into_iter().chain([text.clone()]).collect()
        }
    }
}

/// The directory that a path of `WORKDIR` or a destination is seen from, and the path joined with it.
pub(super) fn absolute(config: &ImageConfig, path: &str) -> String {
    if path.starts_with('/') {
        return crate::model::path::clean(path);
    }
    crate::model::path::clean(&format!("/{}/{path}", config.config.working_dir))
}

/// Does what an instruction does to the configuration alone; `has_cmd` is whether this stage set one. Instructions
/// that work on files do nothing here.
pub(super) fn apply(config: &mut ImageConfig, step: &Step, has_cmd: &mut bool) {
    match step {
        Step::Cmd(command) => {
            config.config.cmd = Some(words(config, command));
            config.config.args_escaped = false;
            *has_cmd = true;
        }
        Step::Entrypoint(command) => {
            config.config.entrypoint = Some(words(config, command));
            if !*has_cmd {
                config.config.cmd = None;
            }
        }
        Step::Env(pairs) => pairs.iter().for_each(|(name, value)| set_env(config, name, value)),
        Step::Expose(ports) => {
            let all = ports.iter().flat_map(|port| exposed(port));
            config.config.exposed_ports.extend(all.map(|port| (port, Empty::default())));
        }
        Step::Healthcheck(healthcheck) => config.config.healthcheck = Some(health(healthcheck)),
        Step::Label(pairs) => config.config.labels.extend(pairs.iter().cloned()),
        Step::Maintainer(name) => config.author = Some(name.clone()),
        Step::Onbuild(trigger) => config.config.on_build.push(trigger.clone()),
        Step::Shell(words) => config.config.shell = Some(words.clone()),
        Step::Stopsignal(signal) => config.config.stop_signal = Some(signal.clone()),
        Step::User(user) => config.config.user.clone_from(user),
        Step::Volume(paths) => {
            config.config.volumes.extend(paths.iter().map(|path| (path.clone(), Empty::default())));
        }
        Step::Workdir(path) => config.config.working_dir = absolute(config, path),
        Step::Arg(_) | Step::Run(_) | Step::Transfer(_) => {}
    }
}

/// The container's ports of `[[ADDRESS:]HOST:]PORT[-PORT][/PROTOCOL]`, each as `PORT/PROTOCOL`.
fn exposed(port: &str) -> Vec<String> {
    let (ports, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let container = ports.rsplit(':').next().unwrap_or(ports);
    let (first, last) = container.split_once('-').unwrap_or((container, container));
    let protocol = protocol.to_ascii_lowercase();
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).map(|port| format!("{port}/{protocol}")).collect(),
        _ => Vec::new(),
    }
}

fn health(healthcheck: &Healthcheck) -> HealthConfig {
    let Healthcheck::Check { command, timing } = healthcheck else {
        return HealthConfig { test: vec!["NONE".to_owned()], ..HealthConfig::default() };
    };
    let test = match command {
        CommandLine::Shell(word) => vec!["CMD-SHELL".to_owned(), word.text.clone()],
        CommandLine::Exec(words) => {
            std::iter::once("CMD".to_owned()).chain(words.iter().map(|word| word.text.clone())).collect()
        }
    };
    let nanoseconds =
        |time: Option<std::time::Duration>| time.and_then(|time| i64::try_from(time.as_nanos()).ok()).unwrap_or(0);
    HealthConfig {
        test,
        interval: nanoseconds(timing.interval),
        timeout: nanoseconds(timing.timeout),
        start_period: nanoseconds(timing.start_period),
        start_interval: nanoseconds(timing.start_interval),
        retries: timing.retries.map_or(0, i64::from),
    }
}

#[cfg(test)]
mod tests {
    use super::exposed;

    #[test]
    fn ports_are_the_containers() {
        assert_eq!(exposed("80"), ["80/tcp"]);
        assert_eq!(exposed("127.0.0.1:8080:80/UDP"), ["80/udp"]);
        assert_eq!(exposed("9000-9002"), ["9000/tcp", "9001/tcp", "9002/tcp"]);
    }
}

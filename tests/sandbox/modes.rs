//! All cases again, in the modes that root of this machine has to put itself into.

use std::ffi::CString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, FileType};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use windlass::engine::embedded::sandbox::{Mode, Mount, Sandbox, Source, Stop, enter_user_namespace};

use crate::cases;
use crate::world::{self, Case, World};

/// The first word of this program in another mode; the second is the mode that it must find.
pub(crate) const INSIDE: &str = "inside";

pub(crate) const ALL: &[Case] = &[
    ("a normal user with subordinate ids", a_normal_user_with_subordinate_ids),
    ("a normal user with one id", a_normal_user_with_one_id),
    ("root without overlays", root_without_overlays),
    ("a normal user without overlays", a_normal_user_without_overlays),
    ("root without namespaces", root_without_namespaces),
    ("root in a container without privileges", root_in_a_container_without_privileges),
    ("windlass is killed", windlass_is_killed),
];

/// Runs all cases as whoever this is.
pub(crate) fn inside(words: &[String]) -> ExitCode {
    if !nix::unistd::geteuid().is_root() {
        let error = enter_user_namespace(std::env::args_os().skip(1)).unwrap_err();
        println!("{error:#}");
        return ExitCode::FAILURE;
    }
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::find_out(folder.path()).unwrap();
    assert_eq!(told(sandbox.mode(), sandbox.has_overlay()), words[0]);
    world::run(cases::ALL, &words[1..])
}

fn told(mode: Mode, has_overlay: bool) -> String {
    format!("{mode:?}, {}", if has_overlay { "overlays" } else { "copies" })
}

const SUBORDINATE: &str = "tester:300000:65536\n";

fn a_normal_user_with_subordinate_ids(world: &World) {
    as_a_user(world, told(Mode::UserNamespace { single_id: false }, true), SUBORDINATE);
}

fn a_normal_user_with_one_id(world: &World) {
    as_a_user(world, told(Mode::UserNamespace { single_id: true }, true), "");
}

fn root_without_overlays(world: &World) {
    own_mounts();
    let temporary = on_an_overlay(world);
    all_cases(Command::new("/proc/self/exe").args([INSIDE, &told(Mode::Root, false)]), &temporary);
}

fn a_normal_user_without_overlays(world: &World) {
    as_a_user(world, told(Mode::UserNamespace { single_id: false }, false), SUBORDINATE);
}

fn root_without_namespaces(world: &World) {
    let usual = "+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+sys_chroot,+mknod,+setfcap";
    let program = copy_of_this_program(&world.folder);
    let mut command = Command::new("setpriv");
    command.arg(format!("--bounding-set=-all,{usual}")).arg(program).args([INSIDE, &told(Mode::Chroot, false)]);
    all_cases(&mut command, &world.folder());
}

/// As a job of GitLab's runner with its Docker executor.
fn root_in_a_container_without_privileges(world: &World) {
    let image = world.folder();
    for folder in ["usr", "tmp", "program", "proc", "sys", "dev"] {
        fs::create_dir(image.join(folder)).unwrap();
    }
    for name in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), image.join(name)).unwrap();
    }
    let archive = Command::new("tar").arg("-cC").arg(&image).arg(".").output().unwrap();
    let tar = world.folder().join("image.tar");
    fs::write(&tar, archive.stdout).unwrap();
    let docker = |arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "the parts are named in the environment")]
        let host = std::env::var("WINDLASS_TEST_DOCKER_HOST").expect("`scripts/test` starts an engine and names it");
        let mut command = Command::new("docker");
        command.arg("-H").arg(host).args(arguments);
        command
    };
    let name = format!("windlass-sandbox-tests:{}", std::process::id());
    assert!(docker(&["import", tar.to_str().unwrap(), &name]).output().unwrap().status.success());
    let program = copy_of_this_program(&world.folder);
    let volume = format!("{}:/program/program:ro", program.display());
    let temporary = world.folder();
    let run = ["run", "--rm", "--network=none", "-v", "/usr:/usr:ro", "-v", &volume, &name, "/program/program", INSIDE];
    all_cases(docker(&run).arg(told(Mode::Chroot, false)), &temporary);
    assert!(docker(&["rmi", &name]).output().unwrap().status.success());
}

/// The first word of this program that runs a command until it is killed, with a pipe that the command holds open.
pub(crate) const HANG: &str = "hang";

pub(crate) fn hang(folder: &str) -> ExitCode {
    let world = World::new(Path::new(folder));
    let pipe =
        Mount { target: "/pipe".to_owned(), source: Source::Folder(Path::new(folder).join("pipe")), read_only: false };
    let line = "exec 3> /pipe; echo begun >&3; trap '' TERM; busybox setsid sleep 1000 & su nobody; sleep 1000";
    let command = windlass::engine::embedded::sandbox::Command { mounts: vec![pipe], ..world::shell(line) };
    let mut workspace = world.begin(vec![world.busybox()]);
    let ended = workspace.run(&command, &|_, _| (), &Stop::new().unwrap());
    println!("{ended:?}");
    ExitCode::FAILURE
}

fn windlass_is_killed(world: &World) {
    let folder = world.folder();
    let pipe = folder.join("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0).unwrap();
    let mut windlass = Command::new("/proc/self/exe").args([HANG, folder.to_str().unwrap()]).spawn().unwrap();
    let mut pipe = BufReader::new(fs::File::open(pipe).unwrap());
    let mut line = String::new();
    pipe.read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    windlass.kill().unwrap();
    windlass.wait().unwrap();
    // It ends when nobody holds it open any more.
    assert_eq!(pipe.read_line(&mut line).unwrap(), 0);
    fs::remove_dir_all(folder).unwrap();
}

/// Runs all cases as a user that no other process of this machine knows.
fn as_a_user(world: &World, told: String, subordinate: &str) {
    const ID: u32 = 4242;
    let program = copy_of_this_program(&world.folder);
    own_mounts();
    let temporary = if told.ends_with("copies") { on_an_overlay(world) } else { world.folder() };
    std::os::unix::fs::chown(&temporary, Some(ID), Some(ID)).unwrap();
    for (path, text) in [
        ("/etc/passwd", "root:x:0:0::/:/bin/sh\ntester:x:4242:4242::/:/bin/sh\n"),
        ("/etc/subuid", subordinate),
        ("/etc/subgid", subordinate),
    ] {
        let file = world.folder().join("file");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        mount_bind(&file, path).unwrap();
    }
    all_cases(Command::new(program).args([INSIDE, &told]).uid(ID).gid(ID), &temporary);
}

fn all_cases(command: &mut Command, temporary: &Path) {
    let output = command.env("TMPDIR", temporary).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("... ok").count(), cases::ALL.len(), "{told}");
    // What those left would be the machine's to keep.
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}

/// Gives this thread mounts of its own.
fn own_mounts() {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
}

/// A folder in an overlay: the kernel puts no other on that.
fn on_an_overlay(world: &World) -> PathBuf {
    let [lower, upper, work, merged] = [(); 4].map(|()| world.folder());
    let options = [("lowerdir", &lower), ("upperdir", &upper), ("workdir", &work)];
    let options = options.map(|(name, folder)| format!("{name}={}", folder.display())).join(",");
    mount("overlay", &merged, "overlay", MountFlags::empty(), &*CString::new(options).unwrap()).unwrap();
    merged
}

/// This program where everybody may run it.
fn copy_of_this_program(folder: &Path) -> PathBuf {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.join("program");
    fs::copy("/proc/self/exe", &program).unwrap();
    program
}

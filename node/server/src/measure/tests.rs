//! What is measured of machines that are made of files.

use super::*;
use std::fs;
use tempfile::TempDir;

const MEMINFO: &str = "MemTotal:        8388608 kB\nMemFree:          100000 kB\nMemAvailable:    6291456 kB\n";
/// Two cores; 300 ticks busy of the seven that count, beside 5,000 idle, 70 waiting and 30 for guests.
const STAT: &str = "cpu  100 50 100 5000 70 20 20 10 30 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 5\n";

/// A machine of these files, beside memory and processors.
fn machine(files: &[(&str, &str)]) -> (TempDir, Machine) {
    let dir = tempfile::tempdir().expect("a directory");
    for (path, text) in [("proc/meminfo", MEMINFO), ("proc/stat", STAT)].iter().chain(files) {
        put(&dir, path, text);
    }
    let machine = Machine::new(dir.path(), dir.path());
    (dir, machine)
}

fn put(dir: &TempDir, path: &str, text: &str) {
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().expect("it is below")).expect("a directory");
    fs::write(path, text).expect("a file");
}

fn memory(usage: Usage) -> (u64, u64) {
    (usage.memory_used_mb, usage.memory_total_mb)
}

fn processors(usage: Usage) -> (u64, u64) {
    (usage.cpu_used_millis, usage.cpu_total_millis)
}

#[test]
fn a_machine_without_limits() {
    let (dir, machine) = machine(&[("proc/self/cgroup", "0::/\n")]);
    let first = machine.measure(Duration::from_secs(10));
    assert_eq!(memory(first), (2_048, 8_192));
    assert_eq!(processors(first), (0, 2_000), "what is in use shows from the second time on");
    put(&dir, "proc/stat", &STAT.replacen("100 50 100 5000", "150 50 200 5500", 1));
    let second = machine.measure(Duration::from_secs(12));
    assert_eq!(processors(second), (750, 2_000), "150 hundredths of a second in two seconds");
    assert!(second.disk_total_mb > 0 && second.disk_used_mb <= second.disk_total_mb);
    put(&dir, "proc/stat", &STAT.replacen("100 50 100 5000", "9150 50 200 5500", 1));
    assert_eq!(processors(machine.measure(Duration::from_secs(14))), (2_000, 2_000), "never more than there is");
}

#[test]
fn the_lowest_limit_of_the_groups_of_version_two() {
    let group = "sys/fs/cgroup/system.slice";
    let (dir, machine) = machine(&[
        ("proc/self/cgroup", "0::/system.slice/node.service\n"),
        (&format!("{group}/memory.max"), "1073741824\n"),
        (&format!("{group}/memory.current"), "524288000\n"),
        (&format!("{group}/memory.stat"), "anon 1\ninactive_file 104857600\n"),
        (&format!("{group}/cpu.max"), "max 100000\n"),
        (&format!("{group}/node.service/memory.max"), "max\n"),
        (&format!("{group}/node.service/cpu.max"), "50000 100000\n"),
        (&format!("{group}/node.service/cpu.stat"), "usage_usec 1000000\nuser_usec 5\n"),
    ]);
    assert_eq!(memory(machine.measure(Duration::ZERO)), (400, 1_024));
    put(&dir, &format!("{group}/node.service/cpu.stat"), "usage_usec 1500000\n");
    assert_eq!(processors(machine.measure(Duration::from_secs(2))), (250, 500));
}

#[test]
fn the_groups_of_version_one() {
    let (dir, machine) = machine(&[
        ("proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n"),
        // A container sees its own group as the root of the tree, whatever the path says.
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n"),
        ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 0\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "1000000000\n"),
    ]);
    assert_eq!(memory(machine.measure(Duration::ZERO)), (1_024, 2_048));
    put(&dir, "sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "2000000000\n");
    assert_eq!(processors(machine.measure(Duration::from_secs(1))), (1_000, 1_500));
}

#[test]
fn a_limit_above_what_there_is_is_none() {
    let (_dir, machine) = machine(&[
        ("proc/self/cgroup", "3:memory:/\n2:cpu,cpuacct:/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ]);
    let usage = machine.measure(Duration::ZERO);
    assert_eq!((memory(usage), processors(usage)), ((2_048, 8_192), (0, 2_000)));
}

#[test]
fn this_machine_has_something_to_offer() {
    let offer = allocatable().expect("/proc is there");
    assert!(offer.memory_mb > 0 && offer.cpu_millis > 0, "{offer:?}");
}

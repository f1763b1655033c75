//! The machine that figures are from, in words that name nothing.

use std::fs;

/// Processors, memory and system: `2 processors (x86_64), 8 GiB of memory, Linux`.
pub(crate) fn words() -> String {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = field("/proc/meminfo", "MemTotal:").map_or(0, |kib| (kib + (1 << 19)) >> 20);
    let virtual_machine = fs::read_to_string("/proc/cpuinfo").is_ok_and(|info| {
        info.lines()
            .any(|line| line.starts_with("flags") && line.contains(" hypervisor"))
    });
    let kind = if virtual_machine {
        "virtual machine, "
    } else {
        ""
    };
    let architecture = std::env::consts::ARCH;
    format!("{kind}{processors} processors ({architecture}), {memory} GiB of memory, Linux")
}

/// How many processes want to run, as a mean over the last minute.
pub(crate) fn busy() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}

fn field(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

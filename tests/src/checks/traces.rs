//! What is left outside of memory: on a disk, in logs, in the kernel, with others.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome, must};
use crate::inspect::needle::Needle;
use crate::inspect::{files, proc, sockets};
use crate::peer::{Options, Peer, Via};
use crate::stage::Stage;
use crate::target::Ending;

use super::retention::Crowd;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "KEEP-FILES",
        &["2.4.5"],
        ["no file has anything of what was said", "어떤 파일에도 대화 내용이 없음"],
        ["60 frames with a canary; then a search of every file written since in the relay's folder, /tmp, /var/tmp, /dev/shm, /run, /var/log and /var/lib.", "No payload and no topic, raw, in hexadecimal or base64."],
        |stage| Box::pin(no_files(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-WRITES",
        &["2.4.5"],
        ["nothing is written to storage", "저장 장치에 아무것도 쓰지 않음"],
        ["200 frames; then the kernel's count of bytes that the process has caused to be written.", "The count is what it was."],
        |stage| Box::pin(no_writes(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-OPEN-FILES",
        &["2.4.5"],
        ["no file is open for writing, and none that was deleted", "쓰기로 연 파일이나 지운 파일이 없음"],
        ["A look at every descriptor of the process under traffic.", "Sockets, pipes, what waits for them, terminals and /dev/null."],
        |stage| Box::pin(open_files(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-MAPPED-FILES",
        &["2.4.5"],
        ["no file is mapped so that memory gets to it", "메모리가 파일로 이어지지 않음"],
        ["A look at the memory map under traffic.", "No shared writable mapping of a file."],
        |stage| Box::pin(mapped_files(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-SYSCALLS",
        &["2.4.5"],
        ["no system call makes, opens for writing or fills a file", "파일을 만들거나 쓰는 시스템 호출이 없음"],
        ["strace at every thread while 60 frames pass.", "No call that opens for writing, makes, renames or links a file, none that makes memory or a queue to share, and nothing said but to clients, to output, pipes and event counters; to another program not a word."],
        |stage| Box::pin(system_calls(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-SWAP",
        &["2.4.5"],
        ["nothing of the process is in swap, and nothing can get there", "스왑에 아무것도 없고 갈 수도 없음"],
        ["The kernel's count for the process, and whether the machine has swap.", "Nothing swapped; memory locked, or no swap."],
        |stage| Box::pin(async move { swap(&stage) }),
    )
    .inside(),
    Check::new(
        "KEEP-CORE-LIMIT",
        &["2.4.5"],
        ["a crash leaves no core file", "비정상 종료에도 코어 파일이 남지 않음"],
        ["The limits of the process.", "Core files of 0 bytes, soft and hard."],
        |stage| Box::pin(async move { core_limit(&stage) }),
    )
    .inside(),
    Check::new(
        "KEEP-LOG",
        &["2.2.5", "2.4.5", "2.5.5"],
        ["what the relay prints names nobody and nothing", "출력과 로그에 누구도 무엇도 나오지 않음"],
        ["Attach, talk, refused and malformed requests from an address of their own; then all that the relay has printed. Start it with its most talkative log to judge all levels.", "No payload, topic, proof or address in any form, not even some bytes of one."],
        |stage| Box::pin(log(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-KERNEL",
        &["2.4.5", "2.7.1"],
        ["the kernel holds nothing for the relay when everybody left", "모두 떠난 뒤 커널 버퍼가 비어 있음"],
        ["Traffic with a slow reader; everybody leaves; then the queues of the relay's sockets.", "No bytes in any, and no socket of who left."],
        |stage| Box::pin(kernel(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-OUTWARD",
        &["2.4.5"],
        ["the relay connects to nobody", "중계 서버가 밖으로 연결하지 않음"],
        ["A look at its sockets under traffic.", "Only those that listen and those of clients. A cluster has a bus: then this says so."],
        |stage| Box::pin(outward(stage)),
    )
    .should()
    .inside(),
    Check::new(
        "KEEP-CHILDREN",
        &["2.4.5"],
        ["the relay has no other processes to keep things", "자식 프로세스가 없음"],
        ["A look at the children of every thread.", "None."],
        |stage| Box::pin(children(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-WARRANT",
        &["2.2.5", "2.5.5"],
        ["what the relay can say about itself names nobody", "중계 서버가 스스로 말할 수 있는 것에 아무도 나오지 않음"],
        ["People talk from an address of their own; then the command of --warrant.", "No payload, topic or address in any form, not even some bytes of one."],
        |stage| Box::pin(warrant(stage)),
    )
    .inside(),
    Check::new(
        "KEEP-KILL",
        &["2.4.5", "2.7.3"],
        ["after a kill and a restart nothing of before is there", "강제 종료 뒤 재시작하면 이전 것이 없음"],
        ["Frames wait for a slow reader; kill -9; a new start; somebody attaches to the topic.", "Nothing comes, and no file has the canary."],
        |stage| Box::pin(kill(stage)),
    )
    .inside(),
];

async fn talked(stage: &Stage) -> Result<(Needle, Needle), Finding> {
    let mut crowd = Crowd::gather(stage, "x").await?;
    crowd.talk(60).await?;
    let needles = (
        crowd.payload.clone(),
        Needle::printed("topic", &crowd.topic.name()),
    );
    crowd.leave(stage).await?;
    Ok(needles)
}

fn folder_of(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

async fn no_files(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    // File systems keep times in steps.
    let start = SystemTime::now().checked_sub(Duration::from_secs(1));
    let start = start.unwrap_or(SystemTime::UNIX_EPOCH);
    let (payload, topic) = talked(&stage).await?;
    // The search is not blind.
    let control = tempfile::NamedTempFile::new().map_err(Finding::not_seen)?;
    let mark = stage.noise("control", 48);
    std::fs::write(control.path(), &mark).map_err(Finding::not_seen)?;
    let control_needle = Needle::raw("control", &mark);
    let search = files::search(folder_of(pid), start, &[&payload, &topic, &control_needle]);
    let (own, hits): (Vec<_>, Vec<_>) =
        search.hits.iter().partition(|(_, name)| *name == "control");
    if own.is_empty() {
        return Err(Finding::not_seen(
            "a file of our own was not found: the search is blind",
        ));
    }
    must(hits.is_empty(), || format!("found: {hits:?}"))?;
    Ok(format!("nothing in {} files", search.files))
}

async fn no_writes(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    let count = || proc::number(pid, "io", "write_bytes");
    let before = count()?;
    crowd.talk(200).await?;
    crowd.leave(&stage).await?;
    let after = count()?;
    must(after == before, || {
        format!("{} bytes were written", after.saturating_sub(before))
    })?;
    Ok(format!("{after} bytes before and after"))
}

async fn open_files(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    crowd.talk(12).await?;
    let links = proc::descriptors(pid)?;
    // A relay that we started has what we were started with, too.
    let ours = proc::descriptors(std::process::id())?;
    let is_harmless = |link: &PathBuf| {
        let text = link.to_string_lossy();
        [
            "socket:",
            "pipe:",
            "anon_inode:",
            "/dev/null",
            "/dev/pts",
            "/dev/tty",
        ]
        .iter()
        .any(|harmless| text.starts_with(harmless))
    };
    let is_other = |link: &&PathBuf| !is_harmless(link) && !ours.contains(link);
    let others: Vec<_> = links.iter().filter(is_other).collect();
    must(others.is_empty(), || format!("open: {others:?}"))?;
    crowd.leave(&stage).await?;
    Ok(format!("{} descriptors, none of a file", links.len()))
}

async fn mapped_files(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    crowd.talk(12).await?;
    let maps = proc::text(pid, "maps")?;
    let shared: Vec<&str> = maps
        .lines()
        .filter(|line| {
            line.split_ascii_whitespace()
                .nth(1)
                .is_some_and(|rights| rights.starts_with("rw") && rights.ends_with('s'))
        })
        .filter(|line| line.contains('/'))
        .collect();
    must(shared.is_empty(), || format!("{shared:?}"))?;
    crowd.leave(&stage).await?;
    Ok(format!("none of {} mappings", maps.lines().count()))
}

async fn system_calls(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    let log = tempfile::NamedTempFile::new().map_err(Finding::not_seen)?;
    let mut strace = Command::new("strace")
        .args(["-f", "-qq", "-yy", "-e", TRACED])
        .args(["-p", &pid.to_string(), "-o"])
        .arg(log.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| Finding::not_seen(format!("strace: {error}")))?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let talked = crowd.talk(60).await;
    let interrupt = i32::try_from(strace.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(strace) = interrupt {
        let _gone = rustix::process::kill_process(strace, rustix::process::Signal::INT);
    }
    let _status = strace.wait();
    talked?;
    crowd.leave(&stage).await?;
    let text = std::fs::read_to_string(log.path()).map_err(Finding::not_seen)?;
    let calls: Vec<&str> = text
        .lines()
        .filter(|line| !is_harmless(line))
        .take(5)
        .collect();
    must(calls.is_empty(), || format!("{calls:?}"))?;
    if text.is_empty() {
        return Err(Finding::not_seen("strace saw no call at all"));
    }
    Ok(format!("{} calls, none of a file", text.lines().count()))
}

/// So long a relay is given to print what it should not.
const LINGERS: Duration = Duration::from_secs(3);

/// Whether a line of strace is a call that leaves nothing anywhere.
fn is_harmless(line: &str) -> bool {
    const HARMLESS: [&str; 9] = [
        "<TCP",
        "<UDP",
        "<pipe:",
        "<anon_inode:",
        "O_RDONLY",
        "+++",
        "---",
        "resumed",
        // One byte, by which a thread or a handler of signals wakes another one.
        ", 1) = 1",
    ];
    // Output may be a socket of whoever started the relay; what is said there is searched elsewhere.
    let is_output = |number: &str| line.contains(&format!("({number}<"));
    HARMLESS.iter().any(|harmless| line.contains(harmless)) || ["1", "2"].into_iter().any(is_output)
}

/// Calls that can make data go elsewhere. A question mark: not every machine has it.
const TRACED: &str = "trace=%file,write,pwrite64,writev,pwritev,?pwritev2,fsync,fdatasync,ftruncate,fallocate,\
connect,sendto,sendmsg,sendmmsg,sendfile,splice,?vmsplice,?copy_file_range,memfd_create,shmget,msgsnd,\
mq_timedsend,process_vm_writev,?add_key,?keyctl,?io_uring_setup,?io_uring_enter";

fn swap(stage: &Stage) -> Outcome {
    let pid = stage.target.process()?;
    let swapped = proc::number(pid, "status", "VmSwap")?;
    must(swapped == 0, || format!("{swapped} KiB are in swap"))?;
    let locked = proc::number(pid, "status", "VmLck")?;
    let swaps = std::fs::read_to_string("/proc/swaps").map_err(Finding::not_seen)?;
    let has_swap = swaps.lines().nth(1).is_some();
    must(locked > 0 || !has_swap, || {
        "the machine has swap and the memory is not locked".into()
    })?;
    Ok(format!(
        "nothing swapped; {locked} KiB locked; the machine has {}swap",
        if has_swap { "" } else { "no " }
    ))
}

fn core_limit(stage: &Stage) -> Outcome {
    let pid = stage.target.process()?;
    let limits = proc::text(pid, "limits")?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let line = line.ok_or_else(|| Finding::not_seen("the kernel names no limit of core files"))?;
    let mut values = line.split_ascii_whitespace().skip(4).take(2);
    must(
        values.clone().count() == 2 && values.all(|value| value == "0"),
        || line.to_owned(),
    )?;
    Ok("0 bytes, soft and hard".into())
}

/// Everything that somebody does who might get into a log, from an address of their own where there are several.
async fn noisy(stage: &Stage) -> Result<Vec<Needle>, Finding> {
    let topic = stage.topic("noisy");
    let canary = stage.noise("noisy canary", 32);
    let mut needles = vec![
        Needle::shortened("topic", &topic.name()),
        Needle::shortened("payload", &canary),
    ];
    let address = std::net::Ipv4Addr::new(127, 91, 147, 203);
    for via in Via::BOTH {
        let mut options = Options::new(via);
        if stage.target.is_loopback() {
            options = options.from(address);
            needles.push(Needle::text("address", &address.to_string()));
        }
        let mut peer = Peer::connect(stage, &options).await?;
        needles.push(Needle::shortened("proof", &topic.prove(&peer.exporter)));
        let handle = peer.attach(&topic).await?;
        peer.publish(handle, &canary).await?;
        let _refused = peer.ask_attach(&topic.name(), &[1; 64]).await?;
        peer.send(&crate::peer::encode::framed(&canary)).await;
        let _ended = peer.ended_within(Duration::from_secs(10)).await?;
    }
    Ok(needles)
}

async fn log(stage: Stage) -> Outcome {
    stage.target.printed()?;
    let needles = noisy(&stage).await?;
    // Also what is said only some time after they left.
    tokio::time::sleep(LINGERS).await;
    let printed = stage.target.printed()?;
    let found: Vec<&str> = needles
        .iter()
        .filter(|needle| needle.count(&printed) > 0)
        .map(|needle| needle.name)
        .collect();
    must(found.is_empty(), || format!("printed: {found:?}"))?;
    Ok(format!("nothing in {} bytes of output", printed.len()))
}

async fn kernel(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    crowd.talk(30).await?;
    crowd.leave(&stage).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sockets = sockets::of(pid)?;
    if !sockets
        .iter()
        .any(|socket| socket.local.port() == stage.target.address().port())
    {
        return Err(Finding::not_seen(
            "the relay's own port is not among its sockets",
        ));
    }
    let holding: Vec<_> = sockets
        .iter()
        .filter(|socket| !socket.listens && (socket.sending > 0 || socket.received > 0))
        .collect();
    must(holding.is_empty(), || format!("{holding:?}"))?;
    Ok(format!("{} sockets, all empty", sockets.len()))
}

async fn outward(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    crowd.talk(6).await?;
    let sockets = sockets::of(pid)?;
    let listening: Vec<u16> = sockets
        .iter()
        .filter(|socket| socket.listens || (!socket.is_tcp && socket.remote.port() == 0))
        .map(|socket| socket.local.port())
        .collect();
    let outward: Vec<_> = sockets
        .iter()
        .filter(|socket| !listening.contains(&socket.local.port()))
        .map(|socket| socket.remote)
        .collect();
    must(outward.is_empty(), || format!("connected to {outward:?}"))?;
    crowd.leave(&stage).await?;
    Ok(format!("{} sockets, all at its own ports", sockets.len()))
}

async fn children(stage: Stage) -> Outcome {
    let pid = stage.target.process()?;
    let mut crowd = Crowd::gather(&stage, "x").await?;
    crowd.talk(6).await?;
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(Finding::not_seen)?;
    let mut children = String::new();
    for thread in threads.flatten() {
        let path = thread.path().join("children");
        children.push_str(&std::fs::read_to_string(path).map_err(Finding::not_seen)?);
    }
    must(children.trim().is_empty(), || {
        format!("children {children}")
    })?;
    crowd.leave(&stage).await?;
    Ok("none".into())
}

async fn warrant(stage: Stage) -> Outcome {
    let Some(command) = stage.target.given.warrant.clone() else {
        return Err(Finding::skipped("no --warrant command was given"));
    };
    let mut crowd = Crowd::gather(&stage, "x").await?;
    crowd.talk(12).await?;
    let mut needles = noisy(&stage).await?;
    needles.push(crowd.payload.clone());
    needles.push(Needle::shortened("topic", &crowd.topic.name()));
    let answer = Command::new("sh")
        .args(["-c", &command])
        .stdin(Stdio::null())
        .output()
        .map_err(Finding::not_seen)?;
    if !answer.status.success() || answer.stdout.is_empty() {
        return Err(Finding::not_seen(format!(
            "the command ended with {}",
            answer.status
        )));
    }
    let said = [answer.stdout, answer.stderr].concat();
    let found: Vec<&str> = needles
        .iter()
        .filter(|needle| needle.count(&said) > 0)
        .map(|needle| needle.name)
        .collect();
    must(found.is_empty(), || format!("it names {found:?}"))?;
    crowd.leave(&stage).await?;
    stage.tape.note(String::from_utf8_lossy(&said));
    Ok(format!("{} bytes that name nobody", said.len()))
}

async fn kill(stage: Stage) -> Outcome {
    stage.target.printed()?;
    let start = SystemTime::now().checked_sub(Duration::from_secs(1));
    let start = start.unwrap_or(SystemTime::UNIX_EPOCH);
    let topic = stage.topic("x");
    let canary = stage.noise("canary", 48);
    let (mut sender, handle) = stage.attached(Via::Tcp, &topic).await?;
    let mut slow = Peer::connect(&stage, &Options::new(Via::Quic).window(4096)).await?;
    slow.attach(&topic).await?;
    for _ in 0..10 {
        let frame: Vec<u8> = canary.iter().copied().cycle().take(10_000).collect();
        sender.publish(handle, &frame).await?;
    }
    let own = stage.target.pid().and_then(folder_of);
    stage.target.restart(Ending::Kill)?;
    for via in Via::BOTH {
        let (mut late, _) = stage.attached(via, &topic).await?;
        late.quiet().await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        late.quiet().await?;
    }
    let search = files::search(own, start, &[&Needle::printed("payload", &canary)]);
    must(search.hits.is_empty(), || format!("{:?}", search.hits))?;
    Ok(format!("nothing came; nothing in {} files", search.files))
}

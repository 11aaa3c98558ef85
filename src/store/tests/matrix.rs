//! Each operation of the disk, failing in each way, at each moment: what is acknowledged stays, and it goes on afterwards.
//!
//! The table that comes of it is `docs/storage-faults.md`; `CAMHOOK_BLESS=1 cargo test` writes it anew.

use std::fmt::Write;

use super::model::{EDQUOT, EIO, ENOSPC, Fault, Files, ModelDisk, Op};
use super::*;

/// Small enough for three events, so that segments change often.
const STORE_BYTES: u64 = 2 << 20;
const BODY_BYTES: usize = 60_000;

/// A store on a disk in memory, and what it acknowledged.
pub(super) struct Rig {
    pub(super) bench: Bench,
    pub(super) disk: ModelDisk,
    /// Those that must be there, and what their body is filled with.
    pub(super) acknowledged: Vec<(EventId, u8)>,
    sent: u8,
}

impl Rig {
    pub(super) fn new(disk: ModelDisk) -> Self {
        let rig = Self {
            bench: Bench::sized(STORE_BYTES),
            disk,
            acknowledged: Vec::new(),
            sent: 0,
        };
        std::fs::create_dir(rig.bench.folder.path().join("log")).unwrap();
        rig
    }

    /// The same files elsewhere would have other names, so what comes after shares the folder.
    pub(super) fn try_open(&self) -> Result<Store, StoreError> {
        open_at(&self.bench, self.bench.folder.path(), &self.disk)
    }

    pub(super) fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub(super) async fn send(&mut self, store: &Store, targets: &[&str]) -> Result<(), StoreError> {
        self.sent = self.sent.wrapping_add(1);
        let fill = self.sent;
        let body = Bytes::from(vec![fill; BODY_BYTES]);
        let (id, intake) = self
            .bench
            .intake("gate", &format!("P{fill}"), body, targets);
        let _ = store.accept(intake).await?;
        self.acknowledged.push((id, fill));
        Ok(())
    }

    /// An event that is to be forgotten, and is of no concern to `verify`.
    pub(super) async fn send_secret(&self, store: &Store, targets: &[&str]) -> EventId {
        let body = Bytes::from(vec![SECRET_FILL; BODY_BYTES]);
        let (id, intake) = self.bench.intake("gate", SECRET, body, targets);
        let _ = store.accept(intake).await.unwrap();
        id
    }

    /// It is in no file, and in none that a power failure may leave.
    pub(super) fn is_forgotten(&self, when: &str) {
        let files = self.disk.files();
        assert_eq!(traces(&files), Vec::<String>::new(), "{when}");
        for seed in 0..8 {
            let left = traces(&files.after_power_loss(seed));
            assert_eq!(left, Vec::<String>::new(), "{when}, power loss {seed}");
        }
        for name in ["index.sqlite", "index.sqlite-wal"] {
            let bytes = std::fs::read(self.bench.folder.path().join(name)).unwrap_or_default();
            let found = memchr::memmem::find(&bytes, SECRET.as_bytes());
            assert_eq!(found, None, "{when}: {name}");
        }
    }

    pub(super) fn forget_index(&self) {
        forget_index(self.bench.folder.path());
    }
}

pub(super) fn forget_index(folder: &Path) {
    for name in [
        "index.sqlite",
        "index.sqlite-wal",
        "index.sqlite-shm",
        "index.seal",
    ] {
        let _ = std::fs::remove_file(folder.join(name));
    }
}

pub(super) fn open_at(bench: &Bench, path: &Path, disk: &ModelDisk) -> Result<Store, StoreError> {
    let settings = Settings {
        path: path.to_owned(),
        keep: Duration::from_secs(7 * 86_400),
        max_size: bench.max_size,
        pictures: None,
    };
    let disk = Arc::new(disk.clone());
    Store::open_on(disk, settings, bench.clock.clone(), Metrics::new())
}

/// Whether all that must be there is, byte for byte, and nothing that nobody sent.
pub(super) async fn verify(store: &Store, acknowledged: &[(EventId, u8)], when: &str) {
    store.caught_up().await;
    for (id, fill) in acknowledged {
        let kept = store.event(*id).await;
        let kept = kept.unwrap_or_else(|error| panic!("{when}: event {fill} is lost: {error}"));
        assert_eq!(kept.event.original.body, vec![*fill; BODY_BYTES], "{when}");
        assert_eq!(
            kept.event.images[0].bytes().unwrap()[..],
            [*fill; 6],
            "{when}"
        );
    }
    for id in store.events(EventQuery::default()).await.unwrap() {
        let body = store.event(id).await.unwrap().event.original.body.clone();
        assert_eq!(body, vec![body[0]; BODY_BYTES], "{when}: torn");
    }
    assert_eq!(store.damaged_records(), 0, "{when}");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    FirstUse,
    Event,
    SegmentChange,
    Outcomes,
    Retention,
    Rebuild,
    Forget,
}

const MOMENTS: [(Moment, &str); 7] = [
    (Moment::FirstUse, "first use"),
    (Moment::Event, "an event"),
    (Moment::SegmentChange, "segment change"),
    (Moment::Outcomes, "outcomes"),
    (Moment::Retention, "retention"),
    (Moment::Rebuild, "rebuild"),
    (Moment::Forget, "forget"),
];

const OPS: [(Op, &str); 8] = [
    (Op::Allocate, "allocate"),
    (Op::Write, "write"),
    (Op::Sync, "sync"),
    (Op::Create, "create"),
    (Op::Rename, "rename"),
    (Op::Remove, "remove"),
    (Op::SyncFolder, "sync folder"),
    (Op::Read, "read"),
];

fn faults(op: Op) -> Vec<(Fault, &'static str)> {
    let mut faults = vec![(Fault::Errno(EIO), "EIO")];
    if op != Op::Read {
        faults.push((Fault::Errno(ENOSPC), "ENOSPC"));
        faults.push((Fault::Errno(EDQUOT), "EDQUOT"));
    }
    match op {
        Op::Write => faults.push((Fault::Short(ENOSPC), "half written, ENOSPC")),
        Op::Sync => faults.push((Fault::Dropped, "EIO, pages dropped")),
        _ => {}
    }
    faults
}

/// What came of it, in a word of the table.
#[derive(Default)]
struct Course {
    start: Option<String>,
    refused: Vec<StoreError>,
    retain: Option<StoreError>,
    forget: Option<StoreError>,
}

/// What is forgotten in the matrix, and what nobody else's body is filled with.
pub(super) const SECRET: &str = "SECRET7";
pub(super) const SECRET_FILL: u8 = 0xee;

/// The files that tell of it.
pub(super) fn traces(files: &Files) -> Vec<String> {
    let mut found = files.holding(SECRET.as_bytes());
    found.extend(files.holding(&[SECRET_FILL; 64]));
    found
}

impl Course {
    fn take(&mut self, sent: Result<(), StoreError>) {
        self.refused.extend(sent.err());
    }

    fn word(&self, hits: usize) -> &'static str {
        if hits == 0 {
            return "–";
        }
        if self.start.is_some() {
            return "start refused";
        }
        match self.refused.first() {
            Some(StoreError::Full(_)) => "503 full",
            Some(_) => "503 failed",
            None if self.retain.is_some() => "later",
            None => match &self.forget {
                Some(why) if why.to_string().contains("nothing was forgotten") => "refused",
                Some(_) => "later",
                None => "goes on",
            },
        }
    }
}
/// Runs one moment with one fault, which lasts for so many operations; panics where a promise is broken.
async fn cell(moment: Moment, op: Op, fault: Fault, times: usize) -> &'static str {
    let when = format!("{moment:?}, {op:?}, {fault:?} × {times}");
    let mut rig = Rig::new(ModelDisk::default());
    let mut store = None;
    if moment != Moment::FirstUse {
        let opened = rig.open();
        let (count, targets): (_, &[&str]) = match moment {
            Moment::FirstUse => unreachable!(),
            Moment::Event => (1, &["vms"]),
            Moment::SegmentChange | Moment::Outcomes => (3, &["vms"]),
            Moment::Rebuild => (5, &["vms"]),
            Moment::Retention => (3, &[]),
            Moment::Forget => (4, &["vms"]),
        };
        for _ in 0..count {
            rig.send(&opened, targets).await.unwrap();
        }
        if moment == Moment::Retention {
            rig.acknowledged.clear(); // these may go now
            rig.send(&opened, &["vms"]).await.unwrap();
            opened.caught_up().await;
            rig.bench.wait(8 * 86_400);
        }
        if moment == Moment::Forget {
            rig.send_secret(&opened, &["vms"]).await;
            rig.send(&opened, &["vms"]).await.unwrap();
        }
        opened.caught_up().await;
        store = Some(opened);
    }
    if moment == Moment::Rebuild {
        store.take().unwrap().close().await;
        rig.forget_index();
    }

    let mut course = Course::default();
    rig.disk.inject(op, fault, times);
    if store.is_none() {
        store = match rig.try_open() {
            Ok(store) => Some(store),
            Err(error) => {
                let told = error.to_string();
                assert!(told.len() > 20, "{when}: {told}");
                course.start = Some(told);
                None
            }
        };
    }
    let settling = moment == Moment::Outcomes;
    if let Some(store) = &store {
        match moment {
            Moment::FirstUse | Moment::Event | Moment::SegmentChange => {
                for _ in 0..2 {
                    course.take(rig.send(store, &["vms"]).await);
                }
            }
            Moment::Outcomes => {
                store.0.cache.clear();
                for one in lease(store, "vms", Order::None).await {
                    // As a worker does; what cannot be read is tried again later.
                    let settled = match store.event(one.event).await {
                        Ok(_) => Settled::Delivered,
                        Err(error) => {
                            course.refused.push(error);
                            Settled::Again {
                                due: rig.bench.clock.now(),
                                counts: false,
                            }
                        }
                    };
                    settle(store, one, settled).await;
                }
            }
            Moment::Retention => {
                course.retain = store.retain().await.err();
                store.caught_up().await;
            }
            Moment::Rebuild => {}
            Moment::Forget => course.forget = store.forget(SECRET, false).await.err(),
        }
    }
    if moment == Moment::Forget && course.forget.is_none() {
        rig.is_forgotten(&when);
    }
    let word = course.word(rig.disk.hits());
    rig.disk.lift();

    // The fault is over: without a restart it accepts, and what was left undone is done.
    let store = match store {
        Some(store) => store,
        None => rig.open(),
    };
    for _ in 0..3 {
        let _ = store.accepting();
        store.caught_up().await;
    }
    let again = rig.send(&store, &["vms"]).await;
    assert!(again.is_ok(), "{when}: still refused: {again:?}");
    if settling {
        for one in lease(&store, "vms", Order::None).await {
            settle(&store, one, Settled::Delivered).await;
        }
    }
    if moment == Moment::Retention {
        store.retain().await.unwrap();
        store.caught_up().await;
        let left = store.events(EventQuery::default()).await.unwrap();
        assert_eq!(
            left.len(),
            rig.acknowledged.len(),
            "{when}: old events stay"
        );
    }
    if moment == Moment::Forget {
        if word == "refused" {
            store.forget(SECRET, false).await.unwrap();
        }
        // What was left to do is done by the housekeeping, if not before.
        for _ in 0..100 {
            if !store
                .forgotten(PageQuery::default())
                .await
                .unwrap()
                .is_empty()
            {
                break;
            }
            store.retain().await.unwrap();
            store.caught_up().await;
        }
        assert_eq!(
            store.forgotten(PageQuery::default()).await.unwrap().len(),
            1,
            "{when}"
        );
        rig.is_forgotten(&when);
    }
    verify(&store, &rig.acknowledged, &when).await;
    let before = fates(&store).await;

    // The power fails, at once.
    let files = rig.disk.files().after_power_loss(times as u64);
    let folder = tempfile::tempdir().unwrap();
    let cut = format!("{when}, power loss");
    verify_image(&rig, &files, folder.path(), &cut).await;
    store.close().await;
    for with_index in [true, false] {
        if !with_index {
            rig.forget_index();
        }
        let when = format!("{when}, opened again, index {with_index}");
        let store = rig.open();
        verify(&store, &rig.acknowledged, &when).await;
        let after = fates(&store).await;
        for (was, is) in before.iter().zip(&after) {
            // An outcome for which the log had no room is in the index alone.
            let is_same = is == was || !with_index && settling && *is == Fate::Pending;
            assert!(is_same, "{when}: {before:?} became {after:?}");
        }
        assert_eq!(before.len(), after.len(), "{when}");
        if !with_index {
            rig.send(&store, &["vms"]).await.unwrap();
            verify(&store, &rig.acknowledged, &when).await;
        }
        store.close().await;
    }
    word
}

async fn fates(store: &Store) -> Vec<Fate> {
    let mut deliveries = store.deliveries(DeliveryQuery::default()).await.unwrap();
    deliveries.reverse();
    deliveries.into_iter().map(|one| one.fate).collect()
}

/// Opens what a power failure left, without an index.
pub(super) async fn verify_image(rig: &Rig, files: &Files, folder: &Path, when: &str) {
    // The files are known by their paths, so the store's folder must be the same; the index is not.
    let disk = ModelDisk::of(files.clone().moved(rig.bench.folder.path(), folder));
    std::fs::create_dir_all(folder.join("log")).unwrap();
    let store =
        open_at(&rig.bench, folder, &disk).unwrap_or_else(|error| panic!("{when}: {error}"));
    verify(&store, &rig.acknowledged, when).await;
    store.close().await;
}

async fn table(times: usize) -> String {
    let mut text = String::from("| operation | fault |");
    for (_, moment) in MOMENTS {
        write!(text, " {moment} |").unwrap();
    }
    text += "\n|---|---|";
    text += &"---|".repeat(MOMENTS.len());
    text += "\n";
    for (op, name) in OPS {
        for (fault, fault_name) in faults(op) {
            write!(text, "| {name} | {fault_name} |").unwrap();
            for (moment, _) in MOMENTS {
                let word = Box::pin(cell(moment, op, fault, times)).await;
                write!(text, " {word} |").unwrap();
            }
            text += "\n";
        }
    }
    text
}

/// Holds a part of the page against what was just seen, or writes it anew.
pub(super) fn compare_with_page(name: &str, table: &str) {
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/storage-faults.md");
    static ONE_AT_A_TIME: StdMutex<()> = StdMutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(&begin).unwrap();
    let (told, after) = rest.split_once(&end).unwrap();
    let bless = std::env::var_os("CAMHOOK_BLESS").is_some();
    if bless {
        std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(
        told, table,
        "docs/storage-faults.md does not tell what happens; CAMHOOK_BLESS=1 writes it anew"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_fails_once_loses_nothing_and_it_goes_on() {
    compare_with_page("once", &table(1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_fails_for_a_while_loses_nothing_and_it_goes_on_afterwards() {
    compare_with_page("lasting", &table(usize::MAX).await);
}

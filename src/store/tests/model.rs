//! A disk in memory that keeps apart what was written and what was synced, and that fails as it is told.
//!
//! At a power failure each unsynced block of 4 KiB is there or not, or there in part; names that were not synced as well.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::store::disk::{Disk, DiskFile};

pub(super) const ENOSPC: i32 = 28;
pub(super) const EIO: i32 = 5;
pub(super) const EDQUOT: i32 = 122;

const BLOCK: usize = 4_096;
const SECTOR: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Allocate,
    Write,
    Sync,
    Create,
    Rename,
    Remove,
    SyncFolder,
    Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Errno(i32),
    /// A half is written before it fails.
    Short(i32),
    /// A sync fails, and what it should have written counts as clean from then on, so that the next one succeeds.
    Dropped,
}

struct Injection {
    /// Of which kind; `None`: of each that changes something.
    op: Option<Op>,
    fault: Fault,
    /// So many go well before.
    spared: usize,
    left: usize,
}

impl Injection {
    fn is_for(&self, op: Op) -> bool {
        self.op.map_or(op != Op::Read, |own| own == op)
    }
}

type Block = Arc<[u8; BLOCK]>;

#[derive(Clone, Default)]
struct Inode {
    written: Vec<Block>,
    len: u64,
    synced: Vec<Block>,
    synced_len: u64,
    /// Blocks that the next sync writes.
    dirty: BTreeSet<usize>,
}

#[derive(Clone)]
enum NameOp {
    Put(PathBuf, u64),
    Take(PathBuf),
    Move(PathBuf, PathBuf, u64),
}

/// What is on the disk, and what is on its way there.
#[derive(Clone, Default)]
pub(super) struct Files {
    names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    pending: Vec<NameOp>,
    inodes: BTreeMap<u64, Inode>,
    next: u64,
}

type Watch = Box<dyn FnMut(Op, &Files) + Send>;

#[derive(Default)]
struct State {
    files: Files,
    injection: Option<Injection>,
    hits: usize,
    watch: Option<Watch>,
    /// Files together may be so long.
    capacity: Option<u64>,
}

#[derive(Clone, Default)]
pub(super) struct ModelDisk(Arc<Mutex<State>>);

struct ModelFile {
    disk: ModelDisk,
    inode: u64,
}

/// Small, seeded, and the same everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

impl Inode {
    fn resize(&mut self, len: u64) {
        let blocks = len.div_ceil(BLOCK as u64) as usize;
        if len < self.len {
            // What is cut off and comes back is zeros.
            self.written.truncate(blocks);
            self.dirty.retain(|block| *block < blocks);
            let inside = (len % BLOCK as u64) as usize;
            if inside > 0
                && let Some(last) = self.written.last_mut()
            {
                Arc::make_mut(last)[inside..].fill(0);
                self.dirty.insert(blocks - 1);
            }
        }
        self.written.resize(blocks, Arc::new([0; BLOCK]));
        self.len = len;
    }

    fn write(&mut self, bytes: &[u8], offset: u64) {
        let end = offset + bytes.len() as u64;
        if end > self.len {
            self.resize(end);
        }
        let mut at = offset as usize;
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let (block, inside) = (at / BLOCK, at % BLOCK);
            let some = bytes.len().min(BLOCK - inside);
            Arc::make_mut(&mut self.written[block])[inside..inside + some]
                .copy_from_slice(&bytes[..some]);
            self.dirty.insert(block);
            at += some;
            bytes = &bytes[some..];
        }
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let there = self.len.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut done = 0;
        while done < there {
            let at = offset as usize + done;
            let (block, inside) = (at / BLOCK, at % BLOCK);
            let some = (there - done).min(BLOCK - inside);
            buffer[done..done + some].copy_from_slice(&self.written[block][inside..inside + some]);
            done += some;
        }
        there
    }

    fn sync(&mut self) {
        let blocks = self.written.len();
        self.synced.resize(blocks, Arc::new([0; BLOCK]));
        for block in std::mem::take(&mut self.dirty) {
            self.synced[block] = self.written[block].clone();
        }
        self.synced_len = self.len;
    }

    fn after_power_loss(&self, dice: &mut Dice) -> Self {
        let len = match dice.below(2) {
            0 => self.synced_len,
            _ => self.len,
        };
        let zeros: Block = Arc::new([0; BLOCK]);
        let mut blocks = Vec::new();
        for n in 0..len.div_ceil(BLOCK as u64) as usize {
            let old = self.synced.get(n).unwrap_or(&zeros);
            let new = self.written.get(n).unwrap_or(&zeros);
            let block = match dice.below(8) {
                _ if !self.dirty.contains(&n) => old.clone(),
                0..3 => old.clone(),
                3..6 => new.clone(),
                _ => {
                    let mut torn = **old;
                    for sector in 0..BLOCK / SECTOR {
                        let at = sector * SECTOR..(sector + 1) * SECTOR;
                        if dice.below(2) == 1 {
                            torn[at.clone()].copy_from_slice(&new[at]);
                        }
                    }
                    Arc::new(torn)
                }
            };
            blocks.push(block);
        }
        Self {
            written: blocks.clone(),
            len,
            synced: blocks,
            synced_len: len,
            dirty: BTreeSet::new(),
        }
    }
}

impl Files {
    /// What is there when the power comes back.
    pub(super) fn after_power_loss(&self, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut names = self.durable.clone();
        // File systems keep names in order, mostly; POSIX does not ask them to.
        let in_order = dice.below(2) == 0;
        let some = dice.below(self.pending.len() as u64 + 1) as usize;
        for (n, op) in self.pending.iter().enumerate() {
            if in_order && n >= some || !in_order && dice.below(2) == 0 {
                continue;
            }
            match op {
                NameOp::Put(path, inode) => {
                    names.insert(path.clone(), *inode);
                }
                NameOp::Take(path) => {
                    names.remove(path);
                }
                NameOp::Move(from, to, inode) => {
                    names.remove(from);
                    names.insert(to.clone(), *inode);
                }
            }
        }
        let inodes = names
            .values()
            .map(|inode| (*inode, self.inodes[inode].after_power_loss(&mut dice)))
            .collect();
        Self {
            durable: names.clone(),
            names,
            pending: Vec::new(),
            inodes,
            next: self.next,
        }
    }

    /// The same files in another folder.
    pub(super) fn moved(mut self, from: &Path, to: &Path) -> Self {
        let renamed = |names: BTreeMap<PathBuf, u64>| {
            let moved = names.into_iter().map(|(path, inode)| {
                let inside = path.strip_prefix(from).unwrap().to_owned();
                (to.join(inside), inode)
            });
            moved.collect()
        };
        assert!(self.pending.is_empty());
        self.names = renamed(self.names);
        self.durable = renamed(self.durable);
        self
    }

    /// The files that have these bytes in them.
    pub(super) fn holding(&self, bytes: &[u8]) -> Vec<String> {
        let holds = |inode: &u64| {
            let inode = &self.inodes[inode];
            let all: Vec<u8> = inode
                .written
                .iter()
                .flat_map(|block| block.iter().copied())
                .collect();
            memchr::memmem::find(&all, bytes).is_some()
        };
        let names = self.names.iter().filter(|(_, inode)| holds(inode));
        names
            .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let names = self.names.keys();
        names
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }
}

impl ModelDisk {
    pub(super) fn of(files: Files) -> Self {
        let disk = Self::default();
        disk.state().files = files;
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn files(&self) -> Files {
        self.state().files.clone()
    }

    pub(super) fn inject(&self, op: Op, fault: Fault, times: usize) {
        let mut state = self.state();
        state.hits = 0;
        state.injection = Some(Injection {
            op: Some(op),
            fault,
            spared: 0,
            left: times,
        });
    }

    /// Has the nth operation that changes something fail, whatever it is, and those behind it.
    pub(super) fn inject_nth(&self, nth: usize, fault: Fault, times: usize) {
        let mut state = self.state();
        state.hits = 0;
        state.injection = Some(Injection {
            op: None,
            fault,
            spared: nth,
            left: times,
        });
    }

    pub(super) fn limit(&self, capacity: u64) {
        self.state().capacity = Some(capacity);
    }

    pub(super) fn lift(&self) {
        self.state().injection = None;
    }

    /// How often the fault was met.
    pub(super) fn hits(&self) -> usize {
        self.state().hits
    }

    /// Calls before each operation that changes something.
    pub(super) fn watch(&self, watch: impl FnMut(Op, &Files) + Send + 'static) {
        self.state().watch = Some(Box::new(watch));
    }

    pub(super) fn unwatch(&self) {
        self.state().watch = None;
    }

    /// Whether an operation fails, and how.
    fn enter(&self, op: Op) -> (MutexGuard<'_, State>, Option<Fault>) {
        let mut state = self.state();
        if op != Op::Read
            && let Some(mut watch) = state.watch.take()
        {
            watch(op, &state.files);
            state.watch = Some(watch);
        }
        let fault = match &mut state.injection {
            Some(injection) if injection.is_for(op) && injection.spared > 0 => {
                injection.spared -= 1;
                None
            }
            Some(injection) if injection.is_for(op) && injection.left > 0 => {
                injection.left -= 1;
                Some(injection.fault)
            }
            _ => None,
        };
        state.hits += usize::from(fault.is_some());
        (state, fault)
    }

    fn file(&self, inode: u64) -> Arc<dyn DiskFile> {
        Arc::new(ModelFile {
            disk: self.clone(),
            inode,
        })
    }
}

fn failing(fault: Option<Fault>) -> io::Result<()> {
    match fault {
        None => Ok(()),
        Some(Fault::Errno(errno) | Fault::Short(errno)) => Err(io::Error::from_raw_os_error(errno)),
        Some(Fault::Dropped) => Err(io::Error::from_raw_os_error(EIO)),
    }
}

impl Disk for ModelDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state();
        let inside = state.files.names.keys();
        let inside = inside.filter(|path| path.parent() == Some(folder));
        Ok(inside.cloned().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let (mut state, fault) = self.enter(Op::Create);
        failing(fault)?;
        let files = &mut state.files;
        if files.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        files.next += 1;
        let inode = files.next;
        files.names.insert(path.to_owned(), inode);
        files.inodes.insert(inode, Inode::default());
        files.pending.push(NameOp::Put(path.to_owned(), inode));
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        let inode = state.files.names.get(path).copied();
        Ok(self.file(inode.ok_or(io::ErrorKind::NotFound)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, fault) = self.enter(Op::Rename);
        failing(fault)?;
        let files = &mut state.files;
        let inode = files.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.names.insert(to.to_owned(), inode);
        let moved = NameOp::Move(from.to_owned(), to.to_owned(), inode);
        files.pending.push(moved);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mut state, fault) = self.enter(Op::Remove);
        failing(fault)?;
        let removed = state.files.names.remove(path);
        removed.ok_or(io::ErrorKind::NotFound)?;
        state.files.pending.push(NameOp::Take(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let (mut state, fault) = self.enter(Op::SyncFolder);
        failing(fault)?;
        let files = &mut state.files;
        let inside = |name: &Path| name.parent() == Some(path);
        files.durable.retain(|name, _| !inside(name));
        let names = files.names.iter().filter(|(name, _)| inside(name));
        files
            .durable
            .extend(names.map(|(name, inode)| (name.clone(), *inode)));
        files.pending.retain(|op| match op {
            NameOp::Put(name, _) | NameOp::Take(name) | NameOp::Move(name, ..) => !inside(name),
        });
        Ok(())
    }
}

impl ModelFile {
    fn with<T>(&self, state: &mut State, work: impl FnOnce(&mut Inode) -> T) -> T {
        work(state.files.inodes.get_mut(&self.inode).unwrap())
    }
}

impl DiskFile for ModelFile {
    fn allocate(&self, len: u64) -> io::Result<()> {
        let (mut state, fault) = self.disk.enter(Op::Allocate);
        failing(fault)?;
        let named = state.files.names.values();
        let used: u64 = named
            .filter(|inode| **inode != self.inode)
            .map(|inode| state.files.inodes[inode].len)
            .sum();
        if state.capacity.is_some_and(|capacity| used + len > capacity) {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        self.with(&mut state, |inode| inode.resize(len.max(inode.len)));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (mut state, fault) = self.disk.enter(Op::Allocate);
        failing(fault)?;
        self.with(&mut state, |inode| inode.resize(len));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        Ok(self.with(&mut state, |inode| inode.len))
    }

    fn held(&self) -> io::Result<u64> {
        self.len() // it has no holes
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let (mut state, fault) = self.disk.enter(Op::Write);
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        match fault {
            Some(Fault::Short(_)) => bytes.truncate(bytes.len() / 2),
            Some(_) => bytes.clear(),
            None => {}
        }
        self.with(&mut state, |inode| inode.write(&bytes, offset));
        failing(fault)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (mut state, fault) = self.disk.enter(Op::Read);
        failing(fault)?;
        Ok(self.with(&mut state, |inode| inode.read(buffer, offset)))
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, fault) = self.disk.enter(Op::Sync);
        if fault == Some(Fault::Dropped) {
            self.with(&mut state, |inode| inode.dirty.clear());
        }
        failing(fault)?;
        self.with(&mut state, Inode::sync);
        Ok(())
    }

    fn let_go(&self) {}
}

#[test]
fn what_was_synced_is_there_after_a_power_failure_and_the_rest_may_be() {
    let disk = ModelDisk::default();
    let (folder, path) = (Path::new("/log"), Path::new("/log/a"));
    let file = disk.create(path).unwrap();
    let safe = vec![1; 3 * BLOCK];
    file.write_at(&mut [IoSlice::new(&safe)], 0).unwrap();
    file.sync().unwrap();
    disk.sync_folder(folder).unwrap();
    file.write_at(&mut [IoSlice::new(&[2; 2 * BLOCK])], 2 * BLOCK as u64)
        .unwrap();
    let _ = disk.create(Path::new("/log/b")).unwrap();
    let (mut kept, mut lost, mut named) = (0, 0, 0);
    for seed in 0..64 {
        let later = ModelDisk::of(disk.files().after_power_loss(seed));
        let file = later.open(path).unwrap();
        let mut bytes = vec![0; 4 * BLOCK];
        assert!(file.read_at(&mut bytes, 0).unwrap() >= 3 * BLOCK);
        assert_eq!(bytes[..2 * BLOCK], safe[..2 * BLOCK]);
        match bytes[2 * BLOCK] {
            2 => kept += 1,
            _ => lost += 1,
        }
        named += later.files().names().len() - 1;
    }
    assert!(kept > 5 && lost > 5 && named > 5 && named < 60);
}

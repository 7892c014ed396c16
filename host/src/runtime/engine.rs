//! The engine, the pool of its instances, the clock that interrupts them, and the threads they run on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use wasmtime::component::Component;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often running guests are interrupted. Their computing time is counted in these.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// What one place among the calls stands for. A component that has more of either takes more places, so that the pool
/// is never short for one that was given its place.
const MEMORIES_PER_PLACE: u32 = 4;
const TABLES_PER_PLACE: u32 = 8;
/// The most a component may have. Core instances are only counted: componentize-py makes some fifteen.
const MEMORIES_PER_COMPONENT: u32 = 16;
const TABLES_PER_COMPONENT: u32 = 32;
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;

/// Memories kept ready at most. Each reserves address space, and memory only once it was used.
const MEMORIES: &[u32] = &[1_000, 200, 50];
/// Bytes of a memory that stay resident for its next user. Must be at least the guest's initial memory, or two
/// threads are slower than one.
const KEEP_RESIDENT: usize = 2 << 20;
/// The stack of a guest, and of the host calls it makes: the second well above the first, because exhausting the
/// host's part aborts the process.
const WASM_STACK: usize = 512 << 10;
const ASYNC_STACK: usize = 2 << 20;

/// Everything that outlives a plugin.
pub(super) struct Engine {
    pub(super) wasm: wasmtime::Engine,
    /// Places for calls that run at the same time.
    pub(super) slots: u32,
    /// Where guests run, so that looping ones cannot stop the rest.
    guests: Option<tokio::runtime::Runtime>,
    handle: tokio::runtime::Handle,
    ticker: Ticker,
}

impl Engine {
    /// An engine with the largest pool this machine gives it.
    pub(super) fn new(pagemap_scan: bool) -> anyhow::Result<Self> {
        let swap_is_off = swap_is_off();
        if pagemap_scan && !swap_is_off {
            tracing::warn!("swap is on: instances are reset the slower way, because a swapped-out page could keep what a guest wrote");
        }
        let (wasm, slots) = MEMORIES
            .iter()
            .find_map(|memories| match wasmtime::Engine::new(&pooling(*memories, pagemap_scan && swap_is_off)) {
                Ok(engine) => Some((engine, memories / MEMORIES_PER_PLACE)),
                Err(error) => {
                    tracing::warn!(memories, %error, "no address space for a pool of this size; trying a smaller one");
                    None
                }
            })
            .map_or_else(
                || {
                    tracing::warn!("no pool of instances: each call asks the operating system for memory, and is slower");
                    wasmtime::Engine::new(&base()).map(|engine| (engine, 16)).map_err(anyhow::Error::from)
                },
                Ok,
            )?;
        let guests = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).max(2))
            .thread_name("guest")
            .enable_all()
            .build()
            .context("the threads for guests cannot be started")?;
        let ticker = Ticker::start(&wasm)?;
        let handle = guests.handle().clone();
        Ok(Self { wasm, slots, guests: Some(guests), handle, ticker })
    }

    /// Places that one instance of this component takes.
    pub(super) fn places_of(&self, component: &Component) -> u32 {
        let (memories, tables) = component
            .resources_required()
            .map_or((MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT), |required| (required.num_memories, required.num_tables));
        places(memories, tables).min(self.slots)
    }

    /// The threads for guests.
    pub(super) fn guests(&self) -> &tokio::runtime::Handle {
        &self.handle
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.ticker.stop();
        if let Some(guests) = self.guests.take() {
            // A guest may be in the middle of a call that nobody waits for any more.
            guests.shutdown_background();
        }
    }
}

fn places(memories: u32, tables: u32) -> u32 {
    memories.div_ceil(MEMORIES_PER_PLACE).max(tables.div_ceil(TABLES_PER_PLACE)).max(1)
}

fn base() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        // One core for each of the lanes of `load`: a hostile file must not take all of them.
        .parallel_compilation(false)
        .cranelift_opt_level(OptLevel::Speed);
    config
}

fn pooling(memories: u32, pagemap_scan: bool) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let places = memories / MEMORIES_PER_PLACE;
    pool.total_memories(memories)
        .total_tables(places * TABLES_PER_PLACE)
        .total_core_instances(places * CORE_INSTANCES_PER_COMPONENT)
        .total_component_instances(memories)
        .total_stacks(memories / 2)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(100_000)
        .max_unused_warm_slots(memories)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(if pagemap_scan { Enabled::Auto } else { Enabled::No });
    let mut config = base();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Whether no page can have been swapped out (wasmtime issue 14357). Unknown counts as on.
fn swap_is_off() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() <= 1)
}

/// Advances the engine's epoch. On a thread of its own, because a busy executor could not be relied upon to do it.
struct Ticker {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let (engine, stop) = (engine.weak(), Arc::clone(&stopped));
        let thread = std::thread::Builder::new().name("guest-ticker".to_owned()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(Self { stopped, thread: Some(thread) })
    }

    fn stop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many components as there are places can be there at the same time, whatever they are made of.
    #[test]
    fn a_component_takes_as_many_places_as_it_takes_of_the_pool() {
        for (memories, tables, expected) in [(0, 0, 1), (1, 1, 1), (4, 8, 1), (5, 1, 2), (1, 9, 2), (16, 32, 4)] {
            assert_eq!(places(memories, tables), expected, "{memories} memories, {tables} tables");
        }
        // The smallest pool has room for the largest component, also among the places for calls that nobody waits for.
        let smallest = MEMORIES.last().unwrap() / MEMORIES_PER_PLACE;
        assert!(places(MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT) <= smallest * 3 / 4);

        let engine = Engine::new(false).unwrap();
        // A component of a module with one memory, and of sixteen instances of it.
        let module = b"\0asm\x01\0\0\0\x05\x03\x01\0\x01";
        let instances = b"\0\0\0".repeat(16);
        let component =
            Component::new(&engine.wasm, [b"\0asm\x0d\0\x01\0\x01\x0d", &module[..], b"\x02\x31\x10", &instances].concat()).unwrap();
        assert_eq!(engine.places_of(&component), 4);
        let linker = wasmtime::component::Linker::<()>::new(&engine.wasm);
        let made: Vec<_> = (0..engine.slots / 4)
            .map(|_| {
                let mut store = wasmtime::Store::new(&engine.wasm, ());
                store.set_epoch_deadline(1_000_000);
                linker.instantiate(&mut store, &component).map(|_| store)
            })
            .collect();
        assert!(made.iter().all(Result::is_ok));
    }
}

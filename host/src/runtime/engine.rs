//! The engine, the pool of its instances, the clock that interrupts them, and the threads they run on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often running guests are interrupted. Their computing time is counted in these.
pub(super) const TICK: Duration = Duration::from_millis(10);

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
    /// Calls that can run at the same time.
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
                Ok(engine) => Some((engine, memories / 4)),
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

fn base() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        .cranelift_opt_level(OptLevel::Speed);
    config
}

fn pooling(memories: u32, pagemap_scan: bool) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_memories(memories)
        .total_tables(memories * 2)
        .total_core_instances(memories * 4)
        .total_component_instances(memories)
        .total_stacks(memories / 2)
        .max_memories_per_component(16)
        .max_tables_per_component(32)
        .max_core_instances_per_component(64)
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

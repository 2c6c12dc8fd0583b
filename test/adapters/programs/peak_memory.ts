/** What a process grew to; sizes in MiB. */
export interface MemoryReport {
  /** Resident when it started, after a collection. */
  readonly before: number;
  /** The most that was resident. */
  readonly peak: number;
  readonly growth: number;
  /** The most of the heap, and of the buffers outside of it. */
  readonly peakHeap: number;
  readonly peakArrayBuffers: number;
  /** CPU time, in seconds. */
  readonly cpu: number;
}

const MIB = 1024 * 1024;

/** Samples the memory of this process. */
export class PeakMemory {
  #timer: NodeJS.Timeout | undefined;
  #before = 0;
  #peak = 0;
  #peakHeap = 0;
  #peakArrayBuffers = 0;
  #cpu = process.cpuUsage();

  start(): void {
    const { gc } = globalThis as { gc?: () => void };
    if (gc === undefined) throw new Error("Cannot measure memory: run with --expose-gc");
    gc();
    gc();
    this.#before = process.memoryUsage.rss();
    this.#peak = this.#before;
    this.#peakHeap = 0;
    this.#peakArrayBuffers = 0;
    this.#cpu = process.cpuUsage();
    this.#timer = setInterval(() => this.#sample(), 10);
  }

  stop(): MemoryReport {
    clearInterval(this.#timer);
    this.#sample();
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      before: this.#before / MIB,
      peak: this.#peak / MIB,
      growth: (this.#peak - this.#before) / MIB,
      peakHeap: this.#peakHeap / MIB,
      peakArrayBuffers: this.#peakArrayBuffers / MIB,
      cpu: (user + system) / 1e6,
    };
  }

  #sample(): void {
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
    this.#peak = Math.max(this.#peak, rss);
    this.#peakHeap = Math.max(this.#peakHeap, heapUsed);
    this.#peakArrayBuffers = Math.max(this.#peakArrayBuffers, arrayBuffers);
  }
}

const INTERVAL = 50;
const INTERVALS = 5;

/** Waits until a number other than 0 has not changed for a quarter of a second: all that could flow has flowed. */
export async function settled(number: () => number): Promise<number> {
  for (let [last, unchanged] = [0, 0]; ; ) {
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
    unchanged = last > 0 && last === number() ? unchanged + 1 : 0;
    last = number();
    if (unchanged === INTERVALS) return last;
  }
}

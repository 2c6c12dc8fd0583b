/** The number of entries from which on searching a list takes longer than a Map. */
const MAX_LISTED = 32;

/**
 * A map of few entries that come and go all the time. In V8, a Map that does so makes itself a new table every few
 * entries, and each old table refers to the next one. Once one of them is old, a scavenge keeps all that followed it,
 * with what they hold. Lists have no such chain.
 */
export class SmallMap<Key, Value> {
  #keys: Key[] = [];
  #values: Value[] = [];
  /** Instead of the lists, if there are many entries. */
  #map: Map<Key, Value> | null = null;

  get size(): number {
    return this.#map?.size ?? this.#keys.length;
  }

  get(key: Key): Value | undefined {
    if (this.#map !== null) return this.#map.get(key);
    const index = this.#keys.indexOf(key);
    return index === -1 ? undefined : this.#values[index];
  }

  has(key: Key): boolean {
    return this.#map?.has(key) ?? this.#keys.includes(key);
  }

  set(key: Key, value: Value): void {
    if (this.#map === null && this.#keys.length < MAX_LISTED) {
      const known = this.#keys.indexOf(key);
      const index = known === -1 ? this.#keys.length : known;
      this.#keys[index] = key;
      this.#values[index] = value;
      return;
    }
    this.#map ??= new Map(this.#keys.splice(0).map((other, index) => [other, this.#values[index]!]));
    this.#values = [];
    this.#map.set(key, value);
  }

  delete(key: Key): void {
    if (this.#map !== null) {
      this.#map.delete(key);
      if (this.#map.size === 0) this.#map = null;
      return;
    }
    const index = this.#keys.indexOf(key);
    if (index === -1) return;
    if (index === this.#keys.length - 1) {
      this.#keys.pop();
      this.#values.pop();
    } else {
      this.#keys.splice(index, 1);
      this.#values.splice(index, 1);
    }
  }

  clear(): void {
    this.#keys = [];
    this.#values = [];
    this.#map = null;
  }

  /** A copy of the values, in the order in which their keys were added. */
  values(): Value[] {
    return this.#map === null ? this.#values.slice() : [...this.#map.values()];
  }
}

/** The number of entries from which on searching a list takes longer than a Map. */
const MAX_LISTED = 32;

const EMPTY: readonly never[] = [];

/**
 * A map of few entries that come and go all the time. In V8, a Map that does so makes itself a new table every few
 * entries, and each old table refers to the next one. Once one of them is old, a scavenge keeps all that followed it,
 * with what they hold. Lists have no such chain. An empty map has no list of its own, and lists are not changed, but
 * replaced: so they are no longer than they must be.
 */
export class SmallMap<Key, Value> {
  #keys: readonly Key[] = EMPTY;
  #values: readonly Value[] = EMPTY;
  /** Instead of the lists, if there are many entries. */
  #map: Map<Key, Value> | null = null;

  get size(): number {
    return this.#map?.size ?? this.#keys.length;
  }

  get(key: Key): Value | undefined {
    if (this.#map !== null) return this.#map.get(key);
    const index = this.#keys.indexOf(key);
    // Stryker disable next-line ConditionalExpression: a shortcut, for a list has nothing at -1
    return index === -1 ? undefined : this.#values[index];
  }

  has(key: Key): boolean {
    return this.#map?.has(key) ?? this.#keys.includes(key);
  }

  set(key: Key, value: Value): void {
    // Stryker disable next-line ConditionalExpression,EqualityOperator,LogicalOperator: a Map and lists have the same, and differ in time
    if (this.#map === null && this.#keys.length >= MAX_LISTED) {
      this.#map = new Map(this.#keys.map((other, index) => [other, this.#values[index]!]));
      this.#keys = this.#values = EMPTY;
    }
    if (this.#map !== null) {
      this.#map.set(key, value);
      return;
    }
    const index = this.#keys.indexOf(key);
    if (index === -1) {
      this.#keys = [...this.#keys, key];
      this.#values = [...this.#values, value];
    } else {
      this.#values = this.#values.with(index, value);
    }
  }

  delete(key: Key): void {
    if (this.#map !== null) {
      this.#map.delete(key);
      // Stryker disable next-line ConditionalExpression: an empty Map answers as empty lists do, and takes more memory
      if (this.#map.size === 0) this.#map = null;
      return;
    }
    const index = this.#keys.indexOf(key);
    if (index === -1) return;
    // Stryker disable next-line ConditionalExpression,BlockStatement: a new empty list answers as the shared one does, and takes more memory
    if (this.#keys.length === 1) {
      this.clear();
      return;
    }
    this.#keys = this.#keys.toSpliced(index, 1);
    this.#values = this.#values.toSpliced(index, 1);
  }

  clear(): void {
    this.#keys = this.#values = EMPTY;
    this.#map = null;
  }

  /** The values of this moment, in the order in which their keys were added. */
  values(): readonly Value[] {
    return this.#map === null ? this.#values : [...this.#map.values()];
  }
}

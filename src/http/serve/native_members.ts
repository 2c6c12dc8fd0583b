// For objects that stand in for a native Request or Response: what they do not answer themselves, the native one does.

/** The native objects behind instances, built on need. */
interface NativeObjects<Instance> {
  /** Read a property of it. */
  forGetter(instance: Instance): object;
  /** Give it to functions that look for what is hidden in symbols. */
  forSymbol(instance: Instance): object;
  /** Call a method of it. */
  forMethod(instance: Instance): object;
}

/**
 * Lets every other member of `base`, and what a runtime hides in symbols, be found on the native object behind `prototype`'s
 * instances.
 *
 * @param sample A native object, to see its symbols.
 */
export function completeWith<Instance extends object>(
  prototype: Instance,
  base: { readonly prototype: object },
  natives: NativeObjects<Instance>,
  sample: object,
): void {
  const getter = (name: string) =>
    function (this: Instance): unknown {
      return Reflect.get(natives.forGetter(this), name);
    };
  const method = (name: string) =>
    function (this: Instance, ...args: unknown[]): unknown {
      const native = natives.forMethod(this);
      return Reflect.apply(Reflect.get(native, name), native, args);
    };
  Object.setPrototypeOf(prototype, base.prototype);
  Object.defineProperty(prototype, "constructor", { value: base, configurable: true, writable: true });
  // In a Worker, Request and Response have the members of a body from a class below them.
  for (let level = base.prototype; level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (Object.hasOwn(prototype, name)) continue;
      const { value } = Object.getOwnPropertyDescriptor(level, name)!;
      const member = typeof value === "function" ? { value: method(name), writable: true } : { get: getter(name) };
      Object.defineProperty(prototype, name, { ...member, configurable: true });
    }
  }
  for (const symbol of Object.getOwnPropertySymbols(sample)) {
    const get = function (this: Instance): unknown {
      return Reflect.get(natives.forSymbol(this), symbol);
    };
    Object.defineProperty(prototype, symbol, { get, configurable: true });
  }
}

/** Makes `target` hold the headers of `source`. */
export function copyHeaders(source: Headers, target: Headers): void {
  for (const name of [...target.keys()]) target.delete(name);
  for (const [name, value] of source) target.append(name, value);
}

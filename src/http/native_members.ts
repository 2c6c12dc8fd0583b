// For objects that stand in for a native Request or Response: what they do not answer themselves, the native one does.

/**
 * Lets every other member of `base`, and what a runtime hides in symbols, be found on the native object behind `prototype`'s
 * instances.
 *
 * @param nativeOf The native object behind an instance, built on need.
 * @param sample A native object, to see its symbols.
 */
export function completeWith<Instance extends object>(
  prototype: Instance,
  base: { readonly prototype: object },
  nativeOf: (instance: Instance) => object,
  sample: object,
): void {
  const getter = (name: string | symbol) =>
    function (this: Instance): unknown {
      return Reflect.get(nativeOf(this), name);
    };
  const method = (name: string) =>
    function (this: Instance, ...args: unknown[]): unknown {
      const native = nativeOf(this);
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
    Object.defineProperty(prototype, symbol, { get: getter(symbol), configurable: true });
  }
}

// What an authorization server keeps, apart from the server: so that one with other keys goes on with the clients, grants and tokens of
// the one before it. The interface is oidc-provider's "Adapter".

export class Store {
  #entries = new Map();
  #members = new Map();

  /** @returns the adapter factory for `Provider`. */
  adapter = (model) => ({
    upsert: async (id, payload, lifetimeS) => this.#put(`${model}:${id}`, payload, lifetimeS),
    find: async (id) => this.#get(`${model}:${id}`),
    findByUid: async (uid) => this.#search(model, (payload) => payload.uid === uid),
    findByUserCode: async (code) => this.#search(model, (payload) => payload.userCode === code),
    consume: async (id) => { this.#get(`${model}:${id}`).consumed = Math.floor(Date.now() / 1000); },
    destroy: async (id) => { this.#entries.delete(`${model}:${id}`); },
    revokeByGrantId: async (grantId) => {
      for (const key of this.#members.get(grantId) ?? []) this.#entries.delete(key);
      this.#members.delete(grantId);
    },
  });

  #put(key, payload, lifetimeS) {
    this.#entries.set(key, { payload, ends: lifetimeS === undefined ? Infinity : Date.now() + lifetimeS * 1000 });
    if (payload.grantId === undefined) return;
    const members = this.#members.get(payload.grantId) ?? new Set();
    this.#members.set(payload.grantId, members.add(key));
  }

  #get(key) {
    const entry = this.#entries.get(key);
    return entry !== undefined && Date.now() < entry.ends ? entry.payload : undefined;
  }

  #search(model, matches) {
    for (const key of this.#entries.keys()) {
      const payload = key.startsWith(`${model}:`) ? this.#get(key) : undefined;
      if (payload !== undefined && matches(payload)) return payload;
    }
    return undefined;
  }
}

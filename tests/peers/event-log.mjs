// The events of one session's streams, so that a client can resume a stream with Last-Event-ID. Bounded: old events are forgotten.

const EVENTS_MAX = 1000;

export class EventLog {
  #events = [];
  #count = 0;

  async storeEvent(streamId, message) {
    const eventId = `${streamId}:${++this.#count}`;
    this.#events.push({ eventId, streamId, message });
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
    return eventId;
  }

  async getStreamIdForEventId(eventId) {
    return this.#events.find((event) => event.eventId === eventId)?.streamId;
  }

  async replayEventsAfter(lastEventId, { send }) {
    const at = this.#events.findIndex((event) => event.eventId === lastEventId);
    if (at < 0) return '';
    const { streamId } = this.#events[at];
    const missed = this.#events.slice(at + 1).filter((event) => event.streamId === streamId);
    for (const { eventId, message } of missed) {
      // The event that opens a stream carries no message.
      if (Object.keys(message).length > 0) await send(eventId, message);
    }
    return streamId;
  }
}

/** Where a view stands, in whatever unit it scrolls by: how far it is from the top, how high all of its content is, and how much of it is in sight. */
export interface Place {
  top: number;
  height: number;
  visible: number;
}

/** This close to the end counts as the end, in pixels. */
const NEAR = 48;

/** Decides whether a view stays at its end while things are added: until the reader scrolls up, and again from the end on. */
export class Follow {
  isFollowing: boolean;
  #top = 0;

  constructor(begin: boolean) {
    this.isFollowing = begin;
  }

  /** The view has moved. Answers whether it follows now. */
  moved({ top, height, visible }: Place): boolean {
    const isUp = top < this.#top - 1;
    this.#top = top;
    if (height - top - visible < NEAR) this.isFollowing = true;
    // What is added moves the end away, and what is measured anew may move it back; only the reader moves up.
    else if (isUp) this.isFollowing = false;
    return this.isFollowing;
  }
}

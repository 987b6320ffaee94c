"""What a run says: rankings, frames, comparisons, without a word of how it is shown."""

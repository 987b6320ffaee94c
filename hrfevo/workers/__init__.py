"""Where and how a genome is measured: in this process, or in Ray's actors."""

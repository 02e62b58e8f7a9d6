"""The trail: where a number comes from (trace), why two things differ (diff), why a cell would run (why)."""

"""Study calls: who was in which call for how long, by the provider's word and by ours side by side."""

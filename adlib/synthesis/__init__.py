"""Made-up defects: masks, textures and how they are pasted into good pictures (chapters 07 and 08)."""

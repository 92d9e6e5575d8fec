"""The site file: what a site has, what is watched, and how. Typed, bounded, and checked whole."""

// Anchor of the precompiled header that all files of the compiler share.

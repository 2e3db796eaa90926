"""What a catalogue keeps: rows and copies in SQLite, the truth; vectors derived from them."""

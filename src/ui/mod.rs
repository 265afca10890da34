//! Shows events and answers to people and programs: terminal, plain lines, JSON, GitHub, tables, graphs.

"""What somebody who writes connectors relies on: declared inputs, the conformance kit, entry points, the list."""

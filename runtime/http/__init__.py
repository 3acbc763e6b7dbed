"""HTTP for every route: common headers, the path below a proxy, limits on reading requests."""

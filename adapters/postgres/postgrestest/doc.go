// Package postgrestest starts a real PostgreSQL server for tests: of the programs that
// are installed, on a Unix socket alone, with its files in a temporary folder.
//
//	server, err := postgrestest.Start(ctx)
//	if errors.Is(err, postgrestest.ErrMissing) && !postgrestest.Required() {
//		t.Skip(err)
//	}
//	defer server.Stop()
//	connString, err := server.NewDatabase(ctx)
//
// It takes about a second, most of it for the first files; [Server.NewDatabase] takes a
// tenth of one, so that a test binary needs one server, and each test a database. The
// server ends with the process that started it, however that ends.
//
// PostgreSQL refuses to run as root; there the server runs as the user nobody, in a
// folder of that user.
package postgrestest

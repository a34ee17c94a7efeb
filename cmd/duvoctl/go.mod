module github.com/duvotool/duvotool/cmd/duvoctl

go 1.25.0

require (
	github.com/duvotool/duvotool v0.0.0
	github.com/spf13/cobra v1.10.2
	golang.org/x/term v0.45.0
)

require (
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	golang.org/x/oauth2 v0.36.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)

replace (
	github.com/duvotool/duvotool => ../..
	github.com/duvotool/duvotool/adapters/inbox => ../../adapters/inbox
)

package slack

import "strings"

// Thread names a thread, for [Config.To]: the channel's ID, and the timestamp of the
// message that the thread is below. A request that is posted there has its outcome there
// too.
func Thread(channel, ts string) string { return channel + "/" + ts }

// place tells what [Config.To] has named: who or what is posted to, and the thread there;
// empty: none.
func place(to string) (who, thread string) {
	who, thread, _ = strings.Cut(to, "/")
	return who, thread
}

package duvo

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// errNotPublic is a connection that was refused here.
var errNotPublic = errors.New("the upload URL leads to an address that is not public")

// guarded returns a transport that connects to public addresses only, and to
// loopback ones if local is set. The address is looked at when it is dialled,
// after the name was resolved, so that no second look-up can tell another. It
// takes from an *http.Transport what does not say where to connect, or who is
// calling.
func guarded(from http.RoundTripper, local bool) *http.Transport {
	if from == nil {
		from = http.DefaultTransport
	}
	t, _ := from.(*http.Transport)
	if t == nil {
		t, _ = http.DefaultTransport.(*http.Transport)
	}
	if t == nil {
		t = &http.Transport{TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true}
	}
	t = t.Clone()
	t.Proxy, t.OnProxyConnectResponse, t.ProxyConnectHeader, t.GetProxyConnectHeader = nil, nil, nil, nil
	t.DialTLSContext = nil
	//lint:ignore SA1019 what was set must not dial past the guard
	t.Dial, t.DialTLS = nil, nil
	t.DialContext = (&net.Dialer{Timeout: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err != nil || !mayReach(at.Addr(), local) {
			return errNotPublic
		}
		return nil
	}}).DialContext
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	t.TLSClientConfig.ServerName = ""
	t.TLSClientConfig.Certificates, t.TLSClientConfig.GetClientCertificate = nil, nil
	t.DisableKeepAlives = true // uploads are few and large
	return t
}

// mayReach reports whether an upload may go to an address.
func mayReach(a netip.Addr, local bool) bool {
	a = a.Unmap()
	if translated.Contains(a) {
		v6 := a.As16()
		return mayReach(netip.AddrFrom4([4]byte(v6[12:])), false)
	}
	if a.IsLoopback() {
		return local
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Zone() != "" {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// translated are IPv4 addresses, as networks without any tell them.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// notPublic are networks that lead into somebody's own, beyond those that
// net/netip knows.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),     // this host
	netip.MustParsePrefix("100.64.0.0/10"), // carriers' own
	netip.MustParsePrefix("192.0.0.0/24"),  // protocols'
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks'
	netip.MustParsePrefix("240.0.0.0/4"),   // reserved
	netip.MustParsePrefix("::/96"),         // IPv4 within IPv6, in its several forms
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"), // sites' own, as it once was
}

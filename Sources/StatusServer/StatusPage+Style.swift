// The style of the page, and the headers that let nothing else in.

extension StatusPage {
    /// The whole of the style sheet. Its hash stands in the content security policy, so a change here changes the hash.
    ///
    /// Colours keep a contrast of at least 4.5 to 1 in both schemes. Below 48rem every row becomes a card; the labels come from here then.
    static let style: StaticString = """
        :root{color-scheme:light dark;--b:#fff;--f:#1b1f24;--m:#57606a;--l:#d0d7de;--p:#f6f8fa;--g:#116329;--r:#a40e26;--y:#7d4e00;--a:#0550ae}
        @media(prefers-color-scheme:dark){:root{--b:#0d1117;--f:#e6edf3;--m:#9da7b3;--l:#30363d;--p:#161b22;--g:#56d364;--r:#ff8e86;--y:#e3b341;--a:#79c0ff}}
        *{box-sizing:border-box}body{margin:0 auto;padding:1rem;max-width:110rem;background:var(--b);color:var(--f);font:15px/1.5 system-ui,sans-serif;overflow-wrap:break-word}
        h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}p{margin:.3rem 0}a{color:var(--a)}
        code,pre{font:13px/1.5 ui-monospace,monospace}pre{margin:.2rem 0;padding:.5rem;background:var(--p);border:1px solid var(--l);white-space:pre-wrap}
        article,header,caption{overflow-wrap:anywhere}article{border:1px solid var(--l);border-left:.4rem solid var(--l);padding:.6rem .8rem;margin:.6rem 0}article.error{border-left-color:var(--r)}article.warning{border-left-color:var(--y)}
        article:target,tr:target{outline:2px solid var(--a)}ul{margin:.2rem 0;padding-left:1.2rem}nav a{margin-right:1rem}footer,small,.m{color:var(--m)}
        .g{color:var(--g)}.r{color:var(--r)}.y{color:var(--y)}b.g,b.r,b.y{white-space:nowrap}
        table{border-collapse:collapse;width:100%;font-size:14px}caption{text-align:left;color:var(--m);padding-bottom:.3rem}
        th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-top:1px solid var(--l)}thead th{color:var(--m);font-weight:600;border:0}
        tbody th{font-weight:600;min-width:9rem;overflow-wrap:anywhere}.c td:nth-child(3),.c td:nth-child(8){min-width:6rem;overflow-wrap:anywhere}.c td:nth-child(3){min-width:13rem}
        @media(max-width:64rem){table,caption,tbody,tr,th,td{display:block}thead{position:absolute;left:-999rem}
        tr{border-top:2px solid var(--l);padding:.5rem 0}th,td{border:0;padding:0}td:empty{display:none}td::before{color:var(--m)}
        .c td:nth-child(3)::before{content:"server "}.c td:nth-child(4)::before{content:"steps "}.c td:nth-child(6)::before{content:"since "}
        .c td:nth-child(7)::before{content:"last good "}.c td:nth-child(8)::before{content:"certificate "}.c td:nth-child(9)::before{content:"token ends "}
        .i td:nth-child(3)::before{content:"source "}.i td:nth-child(5)::before{content:"since "}.i td:nth-child(6)::before{content:"token ends "}}
        """

    /// SHA-256 of ``style``, base64. Source: Content Security Policy Level 3, 2.3.1, hash-source.
    static let styleHash = "qd7Zf5OFoBf40v8Eu+N/YlcK2QPxePpGp0POBh2bSHY="

    /// Nothing is loaded from anywhere, nothing runs, nobody may frame the page.
    static let headers: [(String, String)] = [
        (
            "Content-Security-Policy",
            "default-src 'none'; style-src 'sha256-\(styleHash)'; img-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        ),
        ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "same-origin"),
    ]
}

"""A program that speaks TLS to the provider itself, as one would write it in Python: what a device
would need that has no waxseal. Run as a program it sends messages and prints its CPU time;
imported, it takes the time of one message.

    direct.py PORT implicit|starttls CA MESSAGES SIZE CONNECTIONS PER_CONNECTION
"""

import concurrent.futures
import smtplib
import ssl
import sys
import time

SENDER, RECIPIENT = "load@bench.example", "sink@bench.example"


def body(size):
    line = b"x" * 78 + b"\r\n"
    return (line * (size // len(line) + 1))[:size - 2] + b"\r\n"


def connect(port, tls, context):
    """A session, secured and greeted."""
    if tls == "implicit":
        smtp = smtplib.SMTP_SSL("127.0.0.1", port, context=context, local_hostname="load.example")
    else:
        smtp = smtplib.SMTP("127.0.0.1", port, local_hostname="load.example")
        if tls == "starttls":
            smtp.ehlo()
            smtp.starttls(context=context)
    smtp.ehlo()
    return smtp


def timed(port, tls, ca, content):
    """Seconds from connecting to the last 250, as smtplib does it."""
    context = ssl.create_default_context(cafile=ca)
    begin = time.perf_counter()
    smtp = connect(port, tls, context)
    smtp.sendmail(SENDER, RECIPIENT, content)
    took = time.perf_counter() - begin
    smtp.quit()
    return took


def timed_pipelined(port, ca, content):
    """The same over smtps, with the envelope in one piece, as few clients do it."""
    context = ssl.create_default_context(cafile=ca)
    begin = time.perf_counter()
    smtp = connect(port, "implicit", context)
    smtp.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n")
    codes = [smtp.getreply()[0] for _ in range(3)]
    smtp.send(content + b".\r\n")
    codes.append(smtp.getreply()[0])
    took = time.perf_counter() - begin
    assert codes == [250, 250, 354, 250], codes
    smtp.quit()
    return took


def session(port, tls, context, messages, content):
    smtp = connect(port, tls, context)
    for _ in range(messages):
        smtp.sendmail(SENDER, RECIPIENT, content)
    smtp.quit()


def main():
    port, tls, ca = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    messages, size, connections, per_connection = (int(word) for word in sys.argv[4:])
    content = body(size)
    context = ssl.create_default_context(cafile=ca)
    begin, used = time.monotonic(), time.process_time()
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        done = [pool.submit(session, port, tls, context, per_connection, content)
                for _ in range(messages // per_connection)]
        for one in done:
            one.result()
    print(f"seconds={time.monotonic() - begin:.6f} cpu={time.process_time() - used:.6f}")


if __name__ == "__main__":
    main()

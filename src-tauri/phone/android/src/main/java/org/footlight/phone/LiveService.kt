package org.footlight.phone

import android.Manifest
import android.app.Notification
import android.app.PendingIntent
import android.app.Service
import android.content.Context
import android.content.Intent
import android.content.pm.PackageManager
import android.content.pm.ServiceInfo
import android.os.IBinder
import androidx.core.app.NotificationChannelCompat
import androidx.core.app.NotificationCompat
import androidx.core.app.NotificationManagerCompat
import androidx.core.app.ServiceCompat
import androidx.core.content.ContextCompat

/** Runs while the app is on air, so that its microphone stays open while another app is in front. It does nothing itself. */
class LiveService : Service() {
    override fun onBind(intent: Intent?): IBinder? = null

    override fun onStartCommand(intent: Intent?, flags: Int, startId: Int): Int {
        val refusal = try {
            ServiceCompat.startForeground(this, NOTIFICATION, notification(), allowedTypes(this))
            null
        } catch (refused: RuntimeException) {
            // The app is not in front any more, or a permission was taken back since.
            stopSelf()
            refused.message ?: refused.javaClass.simpleName
        }
        answer(refusal)
        // A service without the page that captures would show what is not so.
        return START_NOT_STICKY
    }

    /** The app was swiped away, and its page with it. */
    override fun onTaskRemoved(rootIntent: Intent?) {
        stopSelf()
    }

    private fun notification(): Notification {
        val channel = NotificationChannelCompat.Builder(CHANNEL, NotificationManagerCompat.IMPORTANCE_LOW)
            .setName(getString(R.string.footlight_live_channel))
            .build()
        NotificationManagerCompat.from(this).createNotificationChannel(channel)
        val app = packageManager.getLaunchIntentForPackage(packageName)
        return NotificationCompat.Builder(this, CHANNEL)
            .setSmallIcon(R.drawable.footlight_live)
            .setContentTitle(getString(R.string.footlight_live_title))
            .setContentText(getString(R.string.footlight_live_text))
            .setContentIntent(app?.let { PendingIntent.getActivity(this, 0, it, PendingIntent.FLAG_IMMUTABLE) })
            .setCategory(NotificationCompat.CATEGORY_CALL)
            .setForegroundServiceBehavior(NotificationCompat.FOREGROUND_SERVICE_IMMEDIATE)
            .setOngoing(true)
            .build()
    }

    companion object {
        private const val NOTIFICATION = 1
        private const val CHANNEL = "live"

        /** Hears what came of the last start. Services and commands share the main thread. */
        private var told: ((String?) -> Unit)? = null

        /** Starts it, or has a running one show its notification again. [done] gets why it does not run, or null. */
        fun start(context: Context, done: (String?) -> Unit) {
            if (allowedTypes(context) == 0) {
                return done("neither the camera nor the microphone is allowed")
            }
            val earlier = told
            told = { refusal ->
                earlier?.invoke(refusal)
                done(refusal)
            }
            try {
                // Unlike startForegroundService it may fail to come to the foreground without ending the app.
                context.startService(Intent(context, LiveService::class.java))
            } catch (refused: IllegalStateException) {
                answer(refused.message ?: "the app is not in front")
            }
        }

        fun stop(context: Context) {
            context.stopService(Intent(context, LiveService::class.java))
            // A start that it was too early for is as good as done.
            answer(null)
        }

        private fun answer(refusal: String?) {
            val waiting = told
            told = null
            waiting?.invoke(refusal)
        }

        /** The types that the person allowed: naming another is an error since Android 14. */
        private fun allowedTypes(context: Context): Int {
            fun typeOf(permission: String, type: Int): Int {
                val allowed = ContextCompat.checkSelfPermission(context, permission) == PackageManager.PERMISSION_GRANTED
                return if (allowed) type else 0
            }
            // The types' numbers are compiled in; what a version of Android does not know, ServiceCompat leaves out.
            return typeOf(Manifest.permission.CAMERA, ServiceInfo.FOREGROUND_SERVICE_TYPE_CAMERA) or
                typeOf(Manifest.permission.RECORD_AUDIO, ServiceInfo.FOREGROUND_SERVICE_TYPE_MICROPHONE)
        }
    }
}
